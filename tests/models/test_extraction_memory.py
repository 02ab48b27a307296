"""Features that memory cannot hold are refused before anything is computed, by what they would take."""

import pytest
import torch

from iics.cli import run
from iics.errors import SettingsError
from iics.model_settings import ModelSettings
from iics.models import extraction_memory
from iics.models.extraction_memory import _MOST_NUMBERS_A_PIXEL, check_extraction_fits
from iics.models.map_memory import map_numbers
from iics.models.norm_replacement import group_batch_norms
from iics.models.reid_model import create_model
from iics.models.structure import find_structure
from iics.models.timm_networks import create_network

HEIGHT, WIDTH = 64, 32
AREA = HEIGHT * WIDTH


def model_of(backbone):
    settings = ModelSettings(backbone=backbone, weights="none", height=HEIGHT, width=WIDTH)
    return create_model(settings, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def model():
    return model_of("resnet18")


@pytest.fixture
def free(monkeypatch):
    """Sets how much memory is free."""
    return lambda num_bytes: monkeypatch.setattr(extraction_memory, "free_memory", lambda: num_bytes)


def test_a_batch_is_refused_from_the_byte_on_that_it_needs(model, free):
    needed = 512 * (map_numbers(model.backbone, height=HEIGHT, width=WIDTH).largest * 4 + AREA * 3)
    free(needed)
    check_extraction_fits(model, 512, batch_size=4096)
    free(needed - 1)
    with pytest.raises(
        SettingsError,
        match=r"^Extracting features of 512 crops at once at 64x32 needs about 0\.1 GB of memory, 0\.1 GB are free\. "
        r"Take smaller batches \(--batch-size\), or a model of smaller crops\.$",
    ):
        check_extraction_fits(model, 512, batch_size=4096)
    check_extraction_fits(model, 512, batch_size=256)


def test_decoded_crops_count_as_well(model, free):
    free(AREA * 3 * 4096)
    with pytest.raises(SettingsError, match="1 crops at once"):
        check_extraction_fits(model, 100_000, batch_size=1)


def test_where_the_kernel_does_not_tell_nothing_is_refused(model, free):
    free(None)
    check_extraction_fits(model, 4096, batch_size=4096)


def test_with_memory_enough_for_any_backbone_maps_are_not_counted(model, free, monkeypatch):
    monkeypatch.setattr(extraction_memory, "map_numbers", None)
    free(128 * AREA * (_MOST_NUMBERS_A_PIXEL * 4 + 3))
    check_extraction_fits(model, 128, batch_size=128)


@pytest.mark.parametrize("backbone", ["resnet50", "tf_efficientnet_lite0", "mixnet_xxl", "regnety_1280"])
def test_no_backbone_has_larger_maps_than_is_taken_for_granted(backbone):
    with torch.device("meta"):  # the widest have more weights than a test has memory
        network = create_network(backbone).eval()
        group_batch_norms(network, find_structure(backbone, network).norms)
    assert map_numbers(network, height=HEIGHT, width=WIDTH).largest <= AREA * _MOST_NUMBERS_A_PIXEL


@pytest.mark.parametrize("command", ["embed", "evaluate", "evaluate without labels", "index", "watch", "search"])
def test_commands_refuse_it_before_they_do_anything(
    command, model, free, folder_people, market_people, tmp_path, capsys
):
    file, gallery = tmp_path / "model.safetensors", tmp_path / "people.db"
    model.save(file)
    picture = next((market_people / "query").iterdir())
    by_name = ["--model", file, "--batch-size", 4096]
    arguments = {
        "embed": ["embed", file, folder_people, "--out", tmp_path / "features.npz", "--batch-size", 4096],
        "evaluate": ["evaluate", file, "market-layout", "--data-dir", market_people, "--batch-size", 4096],
        "evaluate without labels": ["evaluate", file, "folder", "--data-dir", folder_people, "--batch-size", 4096],
        "index": ["index", gallery, folder_people, *by_name],
        "watch": ["watch", folder_people, "--gallery", gallery, *by_name],
        "search": ["search", gallery, picture],
    }[command]
    if command == "search":
        pytest.importorskip("milvus_lite", reason="the extra gallery is not installed")
        assert run(["index", str(gallery), str(folder_people), "--model", str(file)]) == 0
    before = sorted(tmp_path.iterdir())
    free(100_000)
    assert run([str(argument) for argument in arguments]) == 2
    assert "iics: error: Extracting features of " in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before
