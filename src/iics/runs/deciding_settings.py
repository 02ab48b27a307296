"""Which settings decide a run's result: a hash of them, which a run keeps."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from iics.config import Settings
from iics.settings_json import leaves

_MAY_CHANGE = ("pixels.", "engine.", "device", "loggers")


def settings_fingerprint(settings: Settings) -> str:
    """Return a short hash of the settings that decide a result and differ from the defaults.

    What a machine decides may be changed in between, and a setting that is added later makes no run another one.
    """
    own = None if settings.own is None else type(settings.own)()
    defaults = dict(leaves(asdict(Settings(own=own))))
    differing = {name: value for name, value in leaves(asdict(settings)) if value != defaults.get(name)}
    deciding = {name: value for name, value in differing.items() if not name.startswith(_MAY_CHANGE)}
    if "model.weights" in deciding:
        deciding["model.weights"] = Path(settings.model.weights).name
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:16]
