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
    from iics.crops import CropSet as CropSet
    from iics.data_check.check import check_data as check_data
    from iics.data_splits import DataSplits as DataSplits
    from iics.errors import IicsError as IicsError
    from iics.evaluation.evaluate import evaluate as evaluate
    from iics.export.embed_detections import embed_detections as embed_detections
    from iics.models.foreign_model import load_foreign_weights as load_foreign_weights
    from iics.models.reid_model import ReidModel as ReidModel
    from iics.models.reid_model import load_model as load_model
    from iics.readers.benchmarks import load_cuhk03 as load_cuhk03
    from iics.readers.benchmarks import load_dukemtmc as load_dukemtmc
    from iics.readers.benchmarks import load_ltcc as load_ltcc
    from iics.readers.benchmarks import load_market1501 as load_market1501
    from iics.readers.benchmarks import load_market_layout as load_market_layout
    from iics.readers.benchmarks import load_mars as load_mars
    from iics.readers.benchmarks import load_msmt17 as load_msmt17
    from iics.readers.benchmarks import load_occluded_duke as load_occluded_duke
    from iics.readers.benchmarks import load_pytorch_folders as load_pytorch_folders
    from iics.readers.benchmarks import load_sample as load_sample
    from iics.readers.benchmarks import load_veri776 as load_veri776
    from iics.readers.coco import load_coco as load_coco
    from iics.readers.csv_table import load_csv as load_csv
    from iics.readers.folders import load_folder as load_folder
    from iics.readers.mot import load_mot as load_mot
    from iics.readers.mot import load_mtmc as load_mtmc
    from iics.readers.parquet_table import load_parquet as load_parquet
    from iics.readers.patterns import load_pattern as load_pattern
    from iics.readers.wildlife import load_wildlife as load_wildlife
    from iics.reports.calibrated_model import calibrate as calibrate
    from iics.runs.fitted_settings import fit_settings as fit_settings
    from iics.runs.rounds import TrainingRun as TrainingRun
    from iics.runs.seed_runs import SeedRuns as SeedRuns
    from iics.trained_run import resume as resume
    from iics.trained_run import train as train
    from iics.trained_seeds import train_seeds as train_seeds

switch_off_reporting()

_HOMES = {
    "CropSet": "iics.crops",
    "DataSplits": "iics.data_splits",
    "IicsError": "iics.errors",
    "ReidModel": "iics.models.reid_model",
    "SeedRuns": "iics.runs.seed_runs",
    "Settings": "iics.config",
    "TrainingRun": "iics.runs.rounds",
    "calibrate": "iics.reports.calibrated_model",
    "check_data": "iics.data_check.check",
    "embed_detections": "iics.export.embed_detections",
    "evaluate": "iics.evaluation.evaluate",
    "fit_settings": "iics.runs.fitted_settings",
    "load_coco": "iics.readers.coco",
    "load_csv": "iics.readers.csv_table",
    "load_cuhk03": "iics.readers.benchmarks",
    "load_dukemtmc": "iics.readers.benchmarks",
    "load_folder": "iics.readers.folders",
    "load_foreign_weights": "iics.models.foreign_model",
    "load_ltcc": "iics.readers.benchmarks",
    "load_market1501": "iics.readers.benchmarks",
    "load_market_layout": "iics.readers.benchmarks",
    "load_mars": "iics.readers.benchmarks",
    "load_model": "iics.models.reid_model",
    "load_mot": "iics.readers.mot",
    "load_msmt17": "iics.readers.benchmarks",
    "load_mtmc": "iics.readers.mot",
    "load_occluded_duke": "iics.readers.benchmarks",
    "load_parquet": "iics.readers.parquet_table",
    "load_pattern": "iics.readers.patterns",
    "load_pytorch_folders": "iics.readers.benchmarks",
    "load_sample": "iics.readers.benchmarks",
    "load_veri776": "iics.readers.benchmarks",
    "load_wildlife": "iics.readers.wildlife",
    "resume": "iics.trained_run",
    "train": "iics.trained_run",
    "train_seeds": "iics.trained_seeds",
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
