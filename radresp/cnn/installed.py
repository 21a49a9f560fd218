"""Whether the CNN can run here, and how to make it run."""

from __future__ import annotations

from importlib.util import find_spec

from radresp.errors import ModelError

NEEDED = ("torch", "monai", "lightning", "safetensors")


def missing() -> tuple[str, ...]:
    """The packages the CNN needs that are not installed."""
    return tuple(name for name in NEEDED if find_spec(name) is None)


def require(what: str) -> None:
    """Refuse where the CNN cannot run.

    Parameters
    ----------
    what : str
        What needs it, for the message.

    Raises
    ------
    ModelError
        ``EXTRA_MISSING``.
    """
    lacking = missing()
    if lacking:
        raise ModelError(
            "EXTRA_MISSING",
            f"{what} needs {', '.join(lacking)}, not installed here",
            expected="the cnn extra",
            action="pip install 'radresp[cnn]'",
        )
