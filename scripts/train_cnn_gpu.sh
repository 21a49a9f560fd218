#!/usr/bin/env bash
# Train the CNN on one graphics card; exit 8 with the reason where there is none. Started again, it
# goes on where it was.
#
#     scripts/train_cnn_gpu.sh COHORT.csv OUTCOMES.csv OUTPUT [PLAN] [more options of train-cnn]
#
# CUDA_VISIBLE_DEVICES=1 chooses the second card. Settings: configs/cnn.yaml.
set -euo pipefail
if [ "$#" -lt 3 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
cohort=$1 outcomes=$2 output=$3
plan="$(dirname "$0")/../configs/cnn.yaml"
shift 3
if [ "$#" -gt 0 ] && [ "${1#-}" = "$1" ]; then
    plan=$1
    shift
fi
exec radresp train-cnn "$cohort" --outcomes "$outcomes" -o "$output" --plan "$plan" \
    --device cuda "$@"
