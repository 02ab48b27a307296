"""Networks without batch norms, transformers above all: sizes, own pooling, weights of other sizes, refusals."""

import json

import numpy as np
import pytest
import torch

from iics.errors import SettingsError, WeightsError
from iics.layers.normalization import GroupedBatchNorm2d
from iics.model_settings import ModelSettings
from iics.models.backbone import build_network, create_backbone
from iics.models.backbone_spec import backbone_spec
from iics.models.foreign_model import load_foreign_weights
from iics.models.reid_model import create_model, load_model
from iics.models.timm_networks import _timm, create_network
from iics.models.without_numbers import WithoutNumbers

CPU = torch.device("cpu")
SMALL = ("test_vit", "test_vit2", "test_vit3", "test_vit_relpos", "test_convnext", "test_nfnet")


def settings(backbone="test_vit", **values):
    given = {"weights": "none", "norm": "own", "height": 64, "width": 32} | values
    return ModelSettings(backbone=backbone, **given)


def images(height=64, width=32, count=2):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def crops(height=64, width=32, count=3):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


# --- what is built


@pytest.mark.parametrize("name", SMALL)
def test_it_is_timms_own_network_with_its_own_pooling_at_sizes_that_are_not_square(name):
    torch.manual_seed(0)
    ours = create_model(settings(name, height=128, width=64, last_stride=2), device=CPU).backbone.eval()
    size = {"img_size": (128, 64)} if backbone_spec(name).pretrained.is_sized else {}
    theirs = _timm().create_model(name, pretrained=False, num_classes=0, **size).eval()
    theirs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        made = ours(images(128, 64))
        torch.testing.assert_close(made, theirs(images(128, 64)))
    assert made.shape == (2, backbone_spec(name).num_features)


def test_without_batch_norms_nothing_is_grouped_and_the_norms_stay():
    backbone = create_backbone("test_vit", weights="none", norm="own", size=(64, 32))
    assert not [module for module in backbone.modules() if isinstance(module, GroupedBatchNorm2d)]
    assert backbone_spec("test_vit").usual_norm == "own"
    assert backbone_spec("test_vit").structure.other_norms == ("LayerNorm",)
    assert backbone_spec("resnet18").usual_norm == "aibn"


@pytest.mark.parametrize(
    ("name", "patch", "one_resolution", "is_transformer"),
    [
        ("vit_small_patch14_dinov2", (14, 14), True, True),
        ("vit_small_patch16_dinov3", (16, 16), True, True),
        ("vit_xsmall_patch16_clip_224", (16, 16), True, True),
        ("eva02_tiny_patch14_224", (14, 14), True, True),
        ("swin_tiny_patch4_window7_224", (4, 4), False, True),
        ("pvt_v2_b0", (4, 4), False, True),
        ("convnext_atto", None, False, False),
        ("resnet18", None, False, False),
    ],
)
def test_patches_resolutions_and_attention_are_found(name, patch, one_resolution, is_transformer):
    found = backbone_spec(name).structure
    assert (found.patch, found.has_one_resolution, found.is_transformer) == (patch, one_resolution, is_transformer)
    assert backbone_spec(name).usual_last_stride == (2 if name.startswith(("swin", "pvt")) else 1)


def test_mean_and_deviation_are_those_of_the_weights_that_are_named():
    assert backbone_spec("vit_xsmall_patch16_clip_224.tinyclip_yfcc15m").pretrained.mean[0] == pytest.approx(
        0.4815, abs=1e-4
    )
    assert backbone_spec("vit_tiny_patch16_224.augreg_in21k").pretrained.mean == (0.5, 0.5, 0.5)
    assert create_model(settings("test_vit"), device=CPU).header.mean == backbone_spec("test_vit").pretrained.mean


@pytest.mark.parametrize("name", ["test_vit", "test_vit_relpos", "test_convnext"])
def test_a_saved_model_loads_at_its_size_and_gives_the_same_features(tmp_path, name):
    model = create_model(settings(name), device=CPU)
    model.save(tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert (loaded.embed(crops()) == model.embed(crops())).all()
    assert (loaded.header.norm, loaded.header.norm_stages) == ("own", ())


# --- weights


def timms_file(tmp_path, name="test_vit", **values):
    torch.manual_seed(1)
    theirs = _timm().create_model(name, pretrained=False, **values).eval()
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    return theirs


def test_a_file_of_the_square_size_is_read_with_its_position_embeddings_interpolated(tmp_path):
    theirs = timms_file(tmp_path, dynamic_img_size=False)
    model = load_foreign_weights(tmp_path / "w.pth", backbone="test_vit", height=128, width=64)
    theirs.set_input_size((128, 64))
    with torch.no_grad():
        expected = theirs.forward_head(theirs.forward_features(images(128, 64)), pre_logits=True)
        torch.testing.assert_close(model.backbone(images(128, 64)), expected, rtol=1e-4, atol=1e-5)
    assert (model.header.norm, model.header.last_stride) == ("own", 1)


def test_training_starts_from_such_a_file(tmp_path):
    theirs = timms_file(tmp_path)
    model = create_model(settings(weights=str(tmp_path / "w.pth"), neck="batchnorm"), device=CPU)
    assert torch.equal(model.backbone.blocks[0].attn.qkv.weight, theirs.blocks[0].attn.qkv.weight)
    assert model.backbone.pos_embed.shape == (1, 4 * 2 + 1, 64)
    assert model.backbone(images()).shape == (2, 64)


def test_a_model_of_ours_starts_one_of_another_size_with_its_embeddings_interpolated(tmp_path, caplog):
    first = create_model(settings(neck="batchnorm"), device=CPU)
    first.save(tmp_path / "model.safetensors")
    larger = create_model(
        settings(weights=str(tmp_path / "model.safetensors"), neck="batchnorm", height=128, width=64), device=CPU
    )
    assert larger.backbone.pos_embed.shape == (1, 8 * 4 + 1, 64)
    assert torch.equal(larger.backbone.norm.weight, first.backbone.norm.weight)
    assert torch.equal(larger.backbone.head[0].norm.running_var, first.backbone.head[0].norm.running_var)
    assert "was trained on crops of 64x32; here they are 128x64" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("blocks.0.norm1.weight"), r"does not fit the backbone test_vit: .*blocks\.0\.norm1"),
        (lambda state: state.update(strange=torch.zeros(1)), r"does not fit .*strange"),
    ],
)
def test_a_file_that_lacks_or_adds_a_tensor_is_refused(tmp_path, change, message):
    state = dict(create_network("test_vit", size=(64, 32), own_pooling=True).state_dict())
    change(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=message):
        create_model(settings(weights=str(tmp_path / "w.pth")), device=CPU)


# --- what is refused


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"norm": "aibn"}, r"^--norm aibn has nothing to replace in test_vit: .*LayerNorm.* --norm own"),
        ({"norm": "ibn"}, r"^--norm ibn has nothing to replace"),
        ({"norm_stages": ("blocks",)}, r"^--norm-stages names batch norms, and test_vit has none"),
        ({"pooling": "gem"}, r"^GeM pooling is for CNNs: test_vit has attention"),
        (
            {"height": 100, "width": 56},
            r"patches of 16x16 pixels, which do not divide 100x56: .* --height 96 or 112 and --width 48 or 64\.$",
        ),
        ({"width": 40}, r"do not divide 64x40: .* Give --width 32 or 48\.$"),
    ],
)
def test_what_a_transformer_cannot_be_is_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        create_model(settings(**values), device=CPU)


def test_batch_norms_in_the_stem_alone_stay_and_are_grouped():
    spec = backbone_spec("xcit_nano_12_p8_224")
    assert (spec.usual_norm, spec.later_half) == ("bn", ())
    with pytest.raises(SettingsError, match=r"^--norm aibn has nothing to replace in the later half of xcit_nano"):
        build_network("xcit_nano_12_p8_224", norm="aibn", size=(64, 32))


def test_a_network_that_timm_builds_for_a_size_and_that_runs_at_any_is_built_once_for_all():
    clip, other = backbone_spec("resnet50_clip"), backbone_spec("test_maxvit")
    assert (clip.is_sized, clip.has_own_pooling, clip.usual_norm, clip.usual_last_stride) == (False, True, "aibn", 1)
    assert (other.is_sized, other.has_own_pooling, other.usual_norm, other.usual_last_stride) == (True, True, "aibn", 2)


@pytest.mark.slow
def test_windows_that_timm_resizes_otherwise_than_it_builds_them_are_refused(tmp_path):
    first = create_model(settings("swin_tiny_patch4_window7_224", last_stride=2), device=CPU)
    first.save(tmp_path / "m.safetensors")
    values = {"last_stride": 2, "weights": str(tmp_path / "m.safetensors"), "height": 128, "width": 64}
    with pytest.raises(WeightsError, match=r"resizes its .*relative_position.* train it at the size it had"):
        create_model(settings("swin_tiny_patch4_window7_224", **values), device=CPU)


def test_own_norms_of_a_network_with_batch_norms_are_called_bn():
    with pytest.raises(SettingsError, match=r"^--norm own is for networks without batch norms, and resnet18 has 20\."):
        create_model(settings("resnet18"), device=CPU)


def test_swin_has_no_last_stride_of_1():
    with pytest.raises(SettingsError, match=r"^The last stage of swin_tiny_patch4_window7_224 cannot keep"):
        build_network("swin_tiny_patch4_window7_224", norm="own", size=(64, 32))
    with WithoutNumbers():
        network = build_network("swin_tiny_patch4_window7_224", norm="own", last_stride=2, size=(64, 32))
        assert network(images()).shape == (2, 768)


# --- descriptions: hf-hub: and local-dir:


def folder_of(tmp_path, **config):
    _timm()
    theirs = timms_file(tmp_path)
    (tmp_path / "w.pth").rename(tmp_path / "pytorch_model.bin")
    told = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "input_size": [3, 160, 160], "interpolation": "bilinear"}
    values = {"architecture": "test_vit", "pretrained_cfg": told | {"license": "cc0-1.0"}, **config}
    (tmp_path / "config.json").write_text(json.dumps(values))
    return theirs


def test_a_folder_with_a_description_is_a_backbone_and_its_weights(tmp_path):
    theirs = folder_of(tmp_path)
    model = create_model(settings(f"local-dir:{tmp_path}", weights="imagenet"), device=CPU)
    assert torch.equal(model.backbone.norm.weight, theirs.norm.weight)
    assert (model.header.backbone, model.header.mean) == ("test_vit", (0.1, 0.2, 0.3))
    assert model.header.origin.licence == "cc0-1.0, as its config.json states it"
    assert model.header.origin.weights == f"local-dir:{tmp_path.name}"  # not where it lies
    model.save(tmp_path / "model.safetensors")
    for file in ("config.json", "pytorch_model.bin"):
        (tmp_path / file).unlink()
    backbone_spec.cache_clear()
    assert (load_model(tmp_path / "model.safetensors").embed(crops()) == model.embed(crops())).all()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"architecture": "test_vitt"}, r"^Unknown backbone 'test_vitt': .* Did you mean test_vit"),
        ({"architecture": None, "pretrained_cfg": {}}, r"names no architecture of timm"),
        ({"model_args": {"depth": 3}}, r"is test_vit with other parts \(depth\)"),
        ({"pretrained_cfg": {"mean": "grey"}}, r"has a mean, std or input_size that is none"),
    ],
)
def test_a_description_that_cannot_be_used_is_refused(tmp_path, config, message):
    folder_of(tmp_path, **config)
    with pytest.raises(SettingsError, match=message):
        backbone_spec(f"local-dir:{tmp_path}")


def test_a_name_on_the_hub_needs_its_description_from_the_cache_or_a_download(monkeypatch, tmp_path):
    import huggingface_hub
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SettingsError, match=r"^Cannot download the description of the backbone hf-hub:a/b: HF_HUB_OFF"):
        backbone_spec("hf-hub:a/b")
    backbone_spec.cache_clear()
    with pytest.raises(SettingsError, match=r"^Cannot download the description of the backbone hf-hub:a b"):
        backbone_spec("hf-hub:a b")
    folder_of(tmp_path)
    stored = {"config.json": "config.json", "model.safetensors": "pytorch_model.bin"}
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda name, file, **_: str(tmp_path / stored[file]))
    spec = backbone_spec("hf-hub:someone/some-vit")
    assert (spec.architecture, spec.pretrained.repository) == ("test_vit", "someone/some-vit")
    backbone_spec.cache_clear()
