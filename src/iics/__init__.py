"""Person re-identification learned from unlabelled multi-camera crops.

Intra-inter camera similarity (IICS; Xuan and Zhang, CVPR 2021): train on crops with cameras but no identities, measure,
keep and use the model. The public names are loaded when they are first used, so `import iics` is quick. The one thing
that it does is to keep other packages from reporting (`iics.privacy`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from iics.privacy import switch_off_reporting

if TYPE_CHECKING:
    from iics import presets as presets
    from iics.config import Settings as Settings
    from iics.data.benchmarks import load_cuhk03 as load_cuhk03
    from iics.data.benchmarks import load_dukemtmc as load_dukemtmc
    from iics.data.benchmarks import load_ltcc as load_ltcc
    from iics.data.benchmarks import load_market1501 as load_market1501
    from iics.data.benchmarks import load_market_layout as load_market_layout
    from iics.data.benchmarks import load_mars as load_mars
    from iics.data.benchmarks import load_msmt17 as load_msmt17
    from iics.data.benchmarks import load_occluded_duke as load_occluded_duke
    from iics.data.benchmarks import load_pytorch_folders as load_pytorch_folders
    from iics.data.benchmarks import load_veri776 as load_veri776
    from iics.data.check import check_data as check_data
    from iics.data.crops import CropSet as CropSet
    from iics.data.crops import DataSplits as DataSplits
    from iics.data.csv_table import load_csv as load_csv
    from iics.data.folders import load_folder as load_folder
    from iics.data.parquet_table import load_parquet as load_parquet
    from iics.data.patterns import load_pattern as load_pattern
    from iics.data.sample import load_sample as load_sample
    from iics.errors import IicsError as IicsError
    from iics.evaluation.evaluate import evaluate as evaluate
    from iics.experiments.calibrated_model import calibrate as calibrate
    from iics.experiments.reported_training import resume as resume
    from iics.experiments.reported_training import train as train
    from iics.export.detections import embed_detections as embed_detections
    from iics.models.reid_model import ReidModel as ReidModel
    from iics.models.reid_model import load_foreign_weights as load_foreign_weights
    from iics.models.reid_model import load_model as load_model
    from iics.training.rounds import TrainingRun as TrainingRun

switch_off_reporting()

_HOMES = {
    "CropSet": "iics.data.crops",
    "DataSplits": "iics.data.crops",
    "IicsError": "iics.errors",
    "ReidModel": "iics.models.reid_model",
    "Settings": "iics.config",
    "TrainingRun": "iics.training.rounds",
    "calibrate": "iics.experiments.calibrated_model",
    "check_data": "iics.data.check",
    "embed_detections": "iics.export.detections",
    "evaluate": "iics.evaluation.evaluate",
    "load_csv": "iics.data.csv_table",
    "load_cuhk03": "iics.data.benchmarks",
    "load_dukemtmc": "iics.data.benchmarks",
    "load_folder": "iics.data.folders",
    "load_foreign_weights": "iics.models.reid_model",
    "load_ltcc": "iics.data.benchmarks",
    "load_market1501": "iics.data.benchmarks",
    "load_market_layout": "iics.data.benchmarks",
    "load_mars": "iics.data.benchmarks",
    "load_model": "iics.models.reid_model",
    "load_msmt17": "iics.data.benchmarks",
    "load_occluded_duke": "iics.data.benchmarks",
    "load_parquet": "iics.data.parquet_table",
    "load_pattern": "iics.data.patterns",
    "load_pytorch_folders": "iics.data.benchmarks",
    "load_sample": "iics.data.sample",
    "load_veri776": "iics.data.benchmarks",
    "resume": "iics.experiments.reported_training",
    "train": "iics.experiments.reported_training",
}

__all__ = [*_HOMES, "presets"]


def __getattr__(name: str) -> Any:
    if name == "presets":
        return importlib.import_module("iics.presets")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'iics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
