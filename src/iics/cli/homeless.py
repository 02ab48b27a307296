"""A user without a home folder, as containers often run: a folder for what libraries keep there, for one command.

Without it numba, torch and the hub of weights make a folder that is called ~ where the command was started, matplotlib
warns, and torch.compile asks for a user's name.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_KEPT_BY_LIBRARIES = {
    "MPLCONFIGDIR": "matplotlib",
    "TORCH_HOME": "torch",
    "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
    "HF_HOME": "huggingface",
    "NUMBA_CACHE_DIR": "numba",
}
_NUMBA = "NUMBA_CACHE_DIR"


@contextmanager
def makeshift_home() -> Iterator[None]:
    """Within the block, point libraries to a folder of its own if there is no home; what the user set stays."""
    if os.path.expanduser("~") != "~":  # noqa: PTH111 - pathlib raises instead
        yield
        return
    with tempfile.TemporaryDirectory(prefix="iics-", ignore_cleanup_errors=True) as folder:
        caches = os.environ.get("XDG_CACHE_HOME") or folder
        for variable, name in _KEPT_BY_LIBRARIES.items():
            if variable != _NUMBA or not _keeps_kernels_in_package():
                os.environ.setdefault(variable, f"{caches}/{name}")
        os.environ.setdefault("LOGNAME", f"user{os.getuid()}")
        yield


def _keeps_kernels_in_package() -> bool:
    """Return whether numba may write beside the source, where it looks for compiled kernels first."""
    return os.access(Path(__file__).parent.parent, os.W_OK)
