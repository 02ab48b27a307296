"""What the packages below us would report about who uses them: off, unless that person says otherwise.

Most of them read these variables when they are imported, onnxruntime in its compiled part. So they are set when `iics`
is imported, before anything of ours imports anything of theirs, and the processes we start inherit them. What each
package would send, and what has no switch, is told in docs/privacy.md.
"""

from __future__ import annotations

import os

REPORTING_OFF = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime: a number for this machine, a database of events, a collector
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, through timm and gradio
    "GRADIO_ANALYTICS_ENABLED": "False",  # gradio: what a page is made of, and a look for newer versions
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
}
"""Environment variable of each package that reports, and the value that stops it."""


def switch_off_reporting() -> None:
    """Set the variables that are not set: whoever set one, to whatever value, keeps it."""
    for variable, value in REPORTING_OFF.items():
        os.environ.setdefault(variable, value)
