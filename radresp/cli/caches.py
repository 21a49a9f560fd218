"""What libraries keep for themselves on disk: nowhere but in a folder that goes with the command.

matplotlib keeps a list of fonts and torch compiled kernels below the home folder, and both complain
or make a new folder in every process where that cannot be written. ONNX Runtime keeps an identifier
of the machine there and reports its use to its maker, unless it is told not to before it is loaded.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

TELEMETRY = "ORT_DISABLE_TELEMETRY"
CACHES = ("MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR")


def place_caches() -> None:
    """Keep caches in a temporary folder where the home cannot be written, and report to nobody.

    The folder is removed when the process ends; processes it starts share it. What the user has
    set stays as it is.
    """
    os.environ.setdefault(TELEMETRY, "1")
    unset = [name for name in CACHES if name not in os.environ]
    if not unset or _has_a_home():
        return
    with suppress(OSError):  # no temporary folder either: what needs one will say so
        folder = tempfile.mkdtemp(prefix="radresp-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ.update({name: str(Path(folder, name.lower())) for name in unset})


def _has_a_home() -> bool:
    try:
        home = Path.home()
    except RuntimeError:  # a user the system does not know
        return False
    return home.is_dir() and os.access(home, os.W_OK)
