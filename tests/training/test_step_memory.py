"""A batch that memory cannot hold is refused before anything is computed, by what it would take."""

import dataclasses
import re

import pytest
import torch

from iics.config import Settings, Stage1Settings, Stage2Settings, SupervisedSettings
from iics.errors import TrainingError
from iics.methods.by_name import stages_of
from iics.model_settings import ModelSettings
from iics.models.map_memory import map_numbers
from iics.models.reid_model import create_model
from iics.training import step_memory
from iics.training.engine import Engine
from iics.training.step_memory import check_step_fits

SMALL = ModelSettings(backbone="resnet18", weights="none", height=64, width=32)


def check(model, crops, settings, engine):
    """Check the batches of all stages of a run."""
    batches = [stage.batch(crops, settings) for stage in stages_of(settings)]
    check_step_fits(model, crops, settings, engine, batches)


@pytest.fixture(scope="module")
def model():
    return create_model(SMALL, device=torch.device("cpu"))


def test_maps_are_counted_from_what_each_layer_reads(model):
    conv = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(4, 2, 1), torch.nn.AvgPool2d(8))
    numbers = map_numbers(conv, height=8, width=8)
    assert numbers.kept == 3 * 64 + 4 * 64
    assert numbers.largest == (3 + 4) * 64
    assert model.backbone.conv1.weight.device.type == "cpu"


def test_maps_grow_with_the_area_of_a_crop(model):
    small, large = (map_numbers(model.backbone, height=size, width=size) for size in (64, 128))
    assert large.kept == 4 * small.kept


def test_an_ordinary_batch_fits(model, make_crops):
    check(model, make_crops([9, 9]), Settings(model=SMALL), Engine())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"stage1": Stage1Settings(crops_per_camera=1024)},
            r"A training step of 2,048 crops at 64x32 needs about \S+ GB of memory, 0\.5 GB are free\. Take smaller "
            r"batches \(--stage1\.crops-per-camera\), in parts \(--engine\.parts, now 1\), or smaller crops "
            r"\(--height, --width\)\.",
        ),
        (
            {"stage2": Stage2Settings(clusters_per_batch=1024, crops_per_cluster=1024)},
            r"A training step of 1,048,576 crops at 64x32 .*\(--stage2\.clusters-per-batch, --stage2\.crops-per-cl",
        ),
        (
            {"method": "supervised", "supervised": SupervisedSettings(identities_per_batch=64, crops_per_identity=32)},
            r"A training step of 2,048 crops at 64x32 .*\(--supervised\.identities-per-batch, --supervised\.crops-per",
        ),
        (
            {"inference_batch_size": 4096},
            r"Extracting features of 4,096 crops at 64x32 .*\(--inference-batch-size\), or",
        ),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(model, make_crops, monkeypatch, changes, message):
    monkeypatch.setattr(step_memory, "free_memory", lambda: 500_000_000)
    settings = dataclasses.replace(Settings(model=SMALL), **changes)
    with pytest.raises(TrainingError, match=f"^{message}"):
        check(model, make_crops([3000, 3000]), settings, Engine())


@pytest.mark.parametrize(
    ("settings", "num_crops"),
    [
        (Settings(), [2 * 8, 16 * 4]),
        (Settings(stages="stage1"), [2 * 8]),
        (Settings(stages="stage2", stage2=Stage2Settings(similarity="cnn")), [16 * 4]),
        (Settings(method="supervised"), [16 * 4]),
    ],
)
def test_only_the_stages_of_a_run_are_asked_and_cameras_that_sit_out_do_not_count(make_crops, settings, num_crops):
    assert [stage.batch(make_crops([9, 1, 9]), settings).num_crops for stage in stages_of(settings)] == num_crops


def test_parts_and_bf16_take_less(model, make_crops, monkeypatch):
    crops, settings = make_crops([9, 9]), Settings(model=SMALL, stage1=Stage1Settings(crops_per_camera=64))
    kept = map_numbers(model.backbone, height=64, width=32).kept
    monkeypatch.setattr(step_memory, "free_memory", lambda: kept * 4 * 128 - 1)
    with pytest.raises(TrainingError, match=re.escape("A training step of 128 crops")):
        check(model, crops, settings, Engine())
    check(model, crops, settings, Engine(dtype=torch.bfloat16))
    in_parts = dataclasses.replace(settings, engine=dataclasses.replace(settings.engine, parts=2))
    check(model, crops, in_parts, Engine())


def test_where_the_kernel_does_not_tell_nothing_is_refused(model, make_crops, monkeypatch):
    monkeypatch.setattr(step_memory, "free_memory", lambda: None)
    check(model, make_crops([9, 9]), Settings(model=SMALL), Engine())
