"""A file laid out as the authors' checkpoints computes in our network what Eq. 12 says of its numbers."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from iics.errors import WeightsError
from iics.models.authors_checkpoint import from_authors_keys, is_authors_state
from iics.models.backbone import alpha_by_block, create_backbone
from iics.models.foreign_model import load_foreign_weights

DEPTHS = {"layer1": 3, "layer2": 4, "layer3": 6, "layer4": 3}


def plain_features(state, images):
    """Eq. 12 and a ResNet-50 with last stride 1, straight from the numbers in the file."""

    def norm(x, prefix):
        mean, var = (state[f"{prefix}.running_{what}"][:, None, None] for what in ("mean", "var"))
        if f"{prefix}.adaptive_weight" in state:
            alpha = state[f"{prefix}.adaptive_weight"].clamp(0, 1)
            mean = alpha * mean + (1 - alpha) * x.mean((2, 3), keepdim=True)
            var = alpha * var + (1 - alpha) * x.var((2, 3), keepdim=True)
        weight, bias = (state[f"{prefix}.{what}"][:, None, None] for what in ("weight", "bias"))
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    x = F.conv2d(images, state["model.conv1.weight"], stride=2, padding=3)
    x = F.max_pool2d(norm(x, "model.bn1").relu(), 3, stride=2, padding=1)
    for layer, (name, depth) in enumerate(DEPTHS.items()):
        for at in range(depth):
            block, stride = f"model.{name}.{at}", 2 if at == 0 and layer in (1, 2) else 1
            y = norm(F.conv2d(x, state[f"{block}.conv1.weight"]), f"{block}.bn1").relu()
            y = F.conv2d(y, state[f"{block}.conv2.weight"], stride=stride, padding=1)
            y = norm(y, f"{block}.bn2").relu()
            y = norm(F.conv2d(y, state[f"{block}.conv3.weight"]), f"{block}.bn3")
            if at == 0:
                shortcut = F.conv2d(x, state[f"{block}.downsample.0.weight"], stride=stride)
                x = norm(shortcut, f"{block}.downsample.1")
            x = (x + y).relu()
    return x.mean((2, 3))


@pytest.fixture
def checkpoint(authors_state, tmp_path):
    def store(changed=None, **others):
        file = tmp_path / "checkpoint.pth.tar"
        torch.save({"state_dict": authors_state if changed is None else changed, "epoch": 40, **others}, file)
        return file

    return store


def test_the_checkpoint_computes_what_eq_12_says_of_its_numbers(authors_state, checkpoint):
    model = load_foreign_weights(checkpoint(), backbone="resnet50", height=64, width=32)
    images = torch.randn(3, 3, 64, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, plain = model.backbone(images), plain_features(authors_state, images)
    assert plain.std() > 0.1  # features that could tell a difference
    torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-3)


def test_every_bottleneck_gets_its_alpha_clamped(checkpoint):
    backbone = create_backbone("resnet50", weights=str(checkpoint()), norm="aibn")
    alphas = list(alpha_by_block(backbone).values())
    np.testing.assert_allclose(alphas, np.clip([-0.1 + 0.15 * number for number in range(9)], 0, 1), atol=1e-6)


def test_features_of_pictures_come_out_normalised(checkpoint):
    model = load_foreign_weights(checkpoint(), backbone="resnet50", height=64, width=32)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 32, 3), dtype=np.uint8)
    np.testing.assert_allclose(np.linalg.norm(model.embed(pixels), axis=1), 1, rtol=1e-5)


def test_a_data_parallel_prefix_and_alphas_of_bottlenecks_alone_will_do(authors_state, checkpoint):
    short = {
        f"module.{key}": value
        for key, value in authors_state.items()
        if not key.endswith("adaptive_weight") or key.count(".") == 3
    }
    assert len(short) < len(authors_state)
    whole = create_backbone("resnet50", weights=str(checkpoint()), norm="aibn").state_dict()
    loaded = create_backbone("resnet50", weights=str(checkpoint(short)), norm="aibn").state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in whole.items())


def test_a_score_kept_as_a_number_of_numpy_does_no_harm(checkpoint):
    file = checkpoint(best_map=np.float64(0.7), best_epoch=np.int64(3))
    assert load_foreign_weights(file, backbone="resnet50", height=64, width=32).header.norm == "aibn"


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"name": "resnet18", "norm": "aibn"}, "needs --backbone resnet50, not --backbone resnet18"),
        ({"name": "resnet50", "norm": "bn"}, "needs --norm aibn, not --norm bn"),
        (
            {"name": "resnet50", "norm": "aibn", "alpha_sharing": "none"},
            "--alpha-sharing block, not --alpha-sharing none",
        ),
        ({"name": "resnet50", "norm": "aibn", "norm_stages": ("layer4",)}, "--norm-stages layer3 layer4, not"),
    ],
)
def test_another_network_is_refused_by_its_flags(checkpoint, network, message):
    network = dict(network)
    with pytest.raises(WeightsError, match=message):
        create_backbone(network.pop("name"), weights=str(checkpoint()), **network)


def test_a_missing_tensor_is_named(authors_state, checkpoint):
    short = {key: value for key, value in authors_state.items() if key != "model.layer4.2.conv3.weight"}
    with pytest.raises(WeightsError, match=r"lacks 1 of \d+ tensors, the first is layer4.2.conv3.weight"):
        create_backbone("resnet50", weights=str(checkpoint(short)), norm="aibn")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimiser.step": torch.ones(1)}, "optimiser.step is neither below model. nor below classifier."),
        (
            {"model.layer3.1.bn2.adaptive_weight": torch.tensor([0.9])},
            "model.layer3.1 have different weights, 0.8 and 0.9",
        ),
        (
            {"model.layer3.1.adaptive_weight": torch.ones(2)},
            r"layer3.1.adaptive_weight must be one number, got shape \(2,\)",
        ),
    ],
)
def test_a_checkpoint_that_is_not_what_it_seems_is_refused(changes, message):
    state = {"model.layer3.1.adaptive_weight": torch.tensor([0.8])} | changes
    assert is_authors_state(state)
    with pytest.raises(WeightsError, match=message):
        from_authors_keys(state, source="x.pth.tar")


def test_other_state_dicts_are_not_taken_for_theirs():
    assert not is_authors_state({"layer3.0.bn1.weight": torch.ones(1)})
    assert not is_authors_state({"model.layer3.0.bn1.weight": torch.ones(1)})
