"""Run from the sources where nothing can be installed: makes them, and packages that were brought along, importable.

`pip install --target build/brought PACKAGE ...` on a machine with a network is how packages are brought along.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
BROUGHT = ROOT / "build" / "brought"
_TOLD = ROOT / "build" / "from_source"


def use_sources() -> dict[str, str]:
    """Make the sources importable in this process; return the environment in which another one finds them."""
    places = [ROOT, ROOT / "src", *([BROUGHT] if BROUGHT.is_dir() else [])]
    try:
        importlib.metadata.version("iics")
    except importlib.metadata.PackageNotFoundError:  # a model file names the version that wrote it
        places.append(_told_version())
    sys.path[:0] = [str(place) for place in places if str(place) not in sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, places), os.environ.get("PYTHONPATH", "")])}


def _told_version() -> Path:
    """Return a folder in which Python finds what an installation would say of itself."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    metadata = _TOLD / f"iics-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True, exist_ok=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: iics\nVersion: {version}\n")
    return _TOLD
