"""Flanks that differ: the left and the right flank of one animal are two individuals (docs/your_cameras.md).

The sample's people get stripes that rise to the right on their left flank. A right flank is such a crop, mirrored.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import iics
from iics.model_settings import AugmentSettings, ModelSettings
from iics.models.features import extract_features
from iics.models.fingerprint import model_fingerprint
from iics.models.model_file import header_text
from iics.models.reid_model import ReidModel, create_model, load_model
from iics.models.transfer import load_into
from iics.pixels.augment import normalise_pixels
from iics.pixels.images import load_pixels
from iics.readers.benchmarks import load_sample
from iics.speed.training_work import Workload, training_context
from iics.training.engine import Engine

NEW = ("mirror", "letterbox", "subject")
"""Of a header, since files of format 4."""


def with_stripes(pixels):
    """Return crops with stripes on one flank that rise to the right. Shape (n, h, w, 3)."""
    _, height, width, _ = pixels.shape
    rows, columns = np.mgrid[height // 5 : 4 * height // 5, width // 10 : 7 * width // 10]
    striped = pixels.copy()
    period = width // 11
    striped[:, rows, columns] = np.where((rows + columns) // period % 2, 235, 20)[..., None]
    return striped


def flanks(crops, *, height, width):
    """Return left flanks, then the right flanks of the same crops."""
    left = with_stripes(load_pixels(crops, height=height, width=width))
    return np.concatenate([left, left[:, :, ::-1]])


def pairs_of_two_cameras(crops, count):
    """Return a crop of each of so many people, and one by another camera."""
    first, second = [], []
    for identity in np.unique(crops.identity_ids[crops.identity_ids > 0]):
        members = np.flatnonzero(crops.identity_ids == identity)
        others = members[crops.camera_ids[members] != crops.camera_ids[members[0]]]
        if len(others):
            first.append(members[0])
            second.append(others[0])
    return crops.subset(first[:count]), crops.subset(second[:count])


def share_found(query, gallery):
    """Return the share of flanks that are nearer to their own flank by another camera than to the other flank."""
    similarity = query @ gallery.T
    half = len(query) // 2
    own = np.diag(similarity)
    other = np.concatenate([np.diag(similarity[:half, half:]), np.diag(similarity[half:, :half])])
    return float(np.mean(own > other + 1e-5))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    settings = ModelSettings(backbone="test_efficientnet", weights="none", height=64, width=32, norm="bn")
    return create_model(settings, device=torch.device("cpu"))


def without_mirror(model):
    return ReidModel(model.backbone, replace(model.header, mirror=False), device=model.device)


def test_the_right_flank_is_found_without_mirror_images_and_never_with_them(model):
    first, second = pairs_of_two_cameras(load_sample().query, 25)
    size = {"height": 64, "width": 32}
    query, gallery = flanks(first, **size), flanks(second, **size)
    assert share_found(model.embed(query), model.embed(gallery)) == 0
    alone = without_mirror(model)
    assert share_found(alone.embed(query), alone.embed(gallery)) > 0.8


def test_the_feature_is_of_the_crop_alone_worked_by_hand():
    pixels = np.zeros((1, 1, 3, 3), np.uint8)
    pixels[0, 0, 0], pixels[0, 0, 2] = 255, 51

    class Left(torch.nn.Module):
        def forward(self, images):
            return images[:, :, 0, 0]

    how = {"mean": (0, 0, 0), "std": (1, 1, 1), "batch_size": 2, "device": torch.device("cpu")}
    assert extract_features(Left(), pixels, **how, mirror=False).tolist() == [[1, 1, 1]]
    torch.testing.assert_close(extract_features(Left(), pixels, **how), torch.full((1, 3), 0.6))


def test_a_file_keeps_it_and_is_another_model_for_a_gallery(model, tmp_path):
    alone = without_mirror(model)
    boxed = ReidModel(model.backbone, replace(model.header, letterbox=(1, 2, 3), subject="animal"), device=model.device)
    for number, changed in enumerate((alone, boxed)):
        changed.save(tmp_path / f"{number}.safetensors")
        assert load_model(tmp_path / f"{number}.safetensors").header == changed.header
    assert len({model_fingerprint(each) for each in (model, alone, boxed)}) == 3


def test_a_model_of_people_is_to_a_gallery_what_it_was_before_there_were_others(model):
    animals = ReidModel(model.backbone, replace(model.header, subject="animal"), device=model.device)
    assert model_fingerprint(animals) == model_fingerprint(model)


def test_a_header_of_an_older_version_is_of_stretched_people_with_mirror_images(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    values = json.loads(header_text(tmp_path / "model.safetensors"))
    assert (values["mirror"], values["letterbox"], values["subject"]) == (True, None, "person")
    older = {name: getattr(model.header, name) for name in vars(model.header) if name not in NEW}
    assert type(model.header)(**older) == model.header


@pytest.mark.parametrize(
    "change", [{"mirror": "no"}, {"letterbox": (0, 0)}, {"letterbox": (0, 0, 256)}, {"subject": "fish"}]
)
def test_a_header_that_says_otherwise_is_refused(model, change):
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(model.header, **change)


def test_every_form_of_a_crop_comes_to_the_network_in_its_letterbox(model, tmp_path):
    boxed = ReidModel(model.backbone, replace(model.header, letterbox=(1, 2, 3)), device=model.device)
    crops = load_sample().query.subset([0])
    picture = Image.fromarray(load_pixels(crops, height=40, width=40)[0])
    file = tmp_path / "crop.png"
    picture.save(file)
    expected = boxed.embed(load_pixels(one(file), height=64, width=32, letterbox=(1, 2, 3)))
    for images in ([picture], [np.asarray(picture)], [file], one(file)):
        np.testing.assert_array_equal(boxed.embed(images), expected)
    assert np.abs(model.embed([picture]) - expected).max() > 1e-4


def one(file):
    return iics.CropSet(paths=(file,), camera_ids=[0], camera_names=("door",))


@pytest.mark.parametrize("mirror", [True, False])
def test_training_mirrors_crops_only_if_mirror_images_count(mirror):
    augment = AugmentSettings(mirror_probability=1.0, pad=0, erase_probability=0.0)
    work = Workload(backbone="test_efficientnet", height=32, width=32, num_extracted=2, augment=augment, mirror=mirror)
    context = training_context("features", work, norm="bn", engine=Engine())
    images = context.augmented(torch.tensor([0, 1]))(slice(None))
    header = context.model.header
    plain = normalise_pixels(torch.from_numpy(context.pixels[:2]), mean=header.mean, std=header.std)
    torch.testing.assert_close(images, plain.flip(3) if mirror else plain)


def test_going_on_with_other_crops_than_a_model_was_trained_on_is_warned_of(model, tmp_path, caplog):
    model.save(tmp_path / "model.safetensors")
    wanted = replace(model.header, mirror=False, letterbox=(0, 0, 255))
    load_into(model.backbone, wanted, tmp_path / "model.safetensors")
    assert "trained with --mirror --fit stretch; here it goes on with --no-mirror --fit letterbox" in caplog.text
    assert "--letterbox-colour 0000ff" in caplog.text


@pytest.mark.slow
def test_training_without_mirror_images_learns_flanks_and_with_them_cannot(tmp_path):
    sample = load_sample()
    folder = write_flanks(sample, tmp_path / "flanks", num_identities=30)
    found = {}
    for mirror in (True, False):
        settings = replace(iics.presets.SAMPLE, rounds=1)
        model = replace(settings.model, height=64, width=32, mirror=mirror)
        splits = iics.load_folder(folder)
        run = iics.train(splits.train, settings=replace(settings, model=model), out=tmp_path / f"run-{mirror}")
        query, gallery = pairs_of_two_cameras(sample.query, 30)
        features = [run.model.embed(flanks(crops, height=64, width=32)) for crops in (query, gallery)]
        found[mirror] = share_found(*features)
    assert found[True] == 0
    assert found[False] > 0.7  # 0.77 here; ImageNet weights alone have 0.8


def write_flanks(sample, folder: Path, *, num_identities):
    """Write left and right flanks of the sample's first people, a folder for each camera."""
    crops = sample.train
    chosen = np.unique(crops.identity_ids)[:num_identities]
    crops = crops.subset(np.flatnonzero(np.isin(crops.identity_ids, chosen)))
    for number, crop in enumerate(flanks(crops, height=128, width=64)):
        camera = folder / f"camera{crops.camera_ids[number % len(crops)]}"
        camera.mkdir(parents=True, exist_ok=True)
        Image.fromarray(crop).save(camera / f"{number:06d}.png")
    return folder
