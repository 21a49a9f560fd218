#!/usr/bin/env bash
# Train the CNN on all graphics cards of this machine together (DDP): one process a card, which share
# the plan's batch. Started again, it goes on where it was.
#
#     scripts/train_cnn_torchrun.sh COHORT.csv OUTCOMES.csv OUTPUT [PLAN] [more options of train-cnn]
#
# PROCESSES=2 takes two cards (CUDA_VISIBLE_DEVICES says which). Meant for larger
# networks and batches than the default.
set -euo pipefail
if [ "$#" -lt 3 ]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
cohort=$1 outcomes=$2 output=$3
plan="$(dirname "$0")/../configs/cnn.yaml"
shift 3
if [ "$#" -gt 0 ] && [ "${1#-}" = "$1" ]; then
    plan=$1
    shift
fi
exec torchrun --standalone --nproc-per-node "${PROCESSES:-gpu}" --no-python \
    radresp train-cnn "$cohort" --outcomes "$outcomes" -o "$output" --plan "$plan" \
    --device auto --progress lines "$@"
