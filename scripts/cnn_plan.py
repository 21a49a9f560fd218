"""Print configs/cnn.yaml: a plan with the CNN, every key of it with its default and meaning.

    python scripts/cnn_plan.py > configs/cnn.yaml

The text is made from the settings themselves; a test holds the file to this output.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator

from radresp.cnn import Cnn
from radresp.core import Settings

HEADER = """\
# The default plan with the 3-D CNN beside the radiomic model (`pip install 'radresp[cnn]'`, then
# `radresp train-cnn COHORT --outcomes CSV -o DIR --plan configs/cnn.yaml`). `cnn: {}` asks for the
# same; what is left out keeps the value below. All other keys stand in configs/default.yaml.
# Made by scripts/cnn_plan.py.
"""
WIDTH = 100


def cnn_plan_text() -> str:
    """The content of configs/cnn.yaml."""
    return "\n".join([HEADER + "cnn:", *_lines(Cnn(), 1)]) + "\n"


def _lines(settings: Settings, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        comment = f"{indent}# "
        yield from textwrap.wrap(
            field.description or "", WIDTH, initial_indent=comment, subsequent_indent=comment
        )
        if isinstance(value, Settings):
            yield f"{indent}{name}:"
            yield from _lines(value, depth + 1)
        else:
            yield f"{indent}{name}: {json.dumps(value)}"


if __name__ == "__main__":
    print(cnn_plan_text(), end="")
