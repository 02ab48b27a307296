import json
import logging
import shutil
from dataclasses import replace
from typing import get_args

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from PIL import Image

from iics import presets
from iics.cli.source import DataName
from iics.cli.train import with_absolute_weights
from iics.cli.train_arguments import defaults_of
from iics.models.reid_model import load_model
from iics.models.timm_networks import create_network
from iics.runs.rounds import with_resolved_settings
from iics.runs.run_folder import RunFolder


@pytest.fixture
def damaged(market_people, tmp_path):
    """A copy of the people to spoil."""
    return shutil.copytree(market_people, tmp_path / "market")


@pytest.fixture
def train_refusal(refusal, tiny_flags, tmp_path):
    """What `iics train` says to bad data; nothing may be left in place of the run."""

    def call(data, data_dir, *flags):
        message = refusal("train", data, "--data-dir", data_dir, "--out", tmp_path / "run", *tiny_flags.but(*flags))
        assert not (tmp_path / "run").exists()
        return message

    return call


def test_training_says_what_it_starts_on_standard_error(trained):
    out, finished = trained
    assert finished.stderr.splitlines()[0] == (
        "54 crops of 3 cameras (market-layout train); test_efficientnet at 64x32, 1 round, one process; "
        f"run folder {out}"
    )


def test_training_ends_with_a_table_before_and_after_on_standard_output(trained):
    out, finished = trained
    assert "before training" in finished.stdout
    assert "after 1 round " in finished.stdout
    assert f"Model:          {out}/model.safetensors" in finished.stdout
    assert "round 1/1" not in finished.stdout


def test_training_fills_the_run_folder(trained, market_people):
    out, _ = trained
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [record["round"] for record in records] == [0, 1]
    assert all(0 < record["evaluation"]["mean_ap"] <= 1 for record in records)
    source = json.loads((out / "data.json").read_text())
    assert (source["data"], source["data_dir"]) == ("market-layout", str(market_people))
    with Image.open(out / "contact_sheet.png") as picture:
        assert picture.height > 500


def test_flags_become_settings(trained, tiny_settings):
    out, _ = trained
    flags = with_resolved_settings(replace(tiny_settings, rounds=1))
    # What no flag names comes from the preset.
    assert RunFolder.open(out).settings() == replace(
        flags,
        stage1=replace(flags.stage1, steps_per_epoch=presets.IICS.stage1.steps_per_epoch),
        stage2=replace(
            flags.stage2, clusters=replace(flags.stage2.clusters, quantile=presets.IICS.stage2.clusters.quantile)
        ),
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], presets.MARKET1501),
        (["market1501"], presets.MARKET1501),
        (["dukemtmc"], presets.DUKEMTMC),
        (["msmt17"], presets.MSMT17),
        (["cuhk03-detected"], presets.OWN_CAMERAS),
        (["market-layout"], presets.OWN_CAMERAS),
        (["folder"], presets.OWN_CAMERAS),
        (["sample"], presets.SAMPLE),
        (["--rounds", "3", "sample"], presets.SAMPLE),
        (["--rounds=3", "sample"], presets.SAMPLE),
        (["--data-dir", "sample", "folder"], presets.OWN_CAMERAS),
        (["--out=sample", "folder"], presets.OWN_CAMERAS),
        (["--engine.deterministic", "sample"], presets.SAMPLE),
        (["--engine.no-compile", "sample"], presets.SAMPLE),
        (["--engine.no_compile", "sample"], presets.SAMPLE),
        (["--loggers", "--rounds", "3", "sample"], presets.SAMPLE),
        (["--", "sample"], presets.SAMPLE),
        (["market1501", "--preset", "msmt17"], presets.MSMT17),
        (["sample", "--preset=own-cameras"], presets.OWN_CAMERAS),
        (["--preset", "sample", "folder"], presets.SAMPLE),
        (["cameras"], presets.OWN_CAMERAS),
        (["--rounds", "3", "./cameras"], presets.OWN_CAMERAS),
        (["--data-dir", "cameras"], presets.OWN_CAMERAS),
        (["cameras", "--preset", "own-cameras-offline"], presets.OWN_CAMERAS_OFFLINE),
    ],
)
def test_settings_start_from_the_preset_that_fits_the_data_wherever_it_is_named(arguments, expected):
    assert defaults_of(arguments).settings == expected


@pytest.mark.usefixtures("unreported")
def test_a_folder_alone_is_trained_on_with_settings_that_are_chosen_told_and_kept(
    iics, folder_people, tiny_flags, tmp_path
):
    own = tiny_flags.but("--rounds=1", "--preset=own-cameras")
    flags = [flag for flag in own if not flag.startswith(("--height", "--width"))]
    finished = iics("train", folder_people, "--out", tmp_path / "run", *flags)
    assert finished.code == 0, finished.stderr
    chosen, time, better, start = finished.stderr.splitlines()[:4]
    assert chosen.startswith("Chosen: test_efficientnet at 128x64, 1 round, for 54 crops of 3 cameras on a processor")
    assert time.startswith("Time: about ")
    assert better.startswith("Probably better, and dearer: --height 256 --width 128 (4 times); a GPU.")
    assert start.startswith("54 crops of 3 cameras (cameras train); test_efficientnet at 128x64, 1 round, one process")
    settings = RunFolder.open(tmp_path / "run").settings()
    assert (settings.model.height, settings.model.width, settings.rounds) == (128, 64, 1)
    source = json.loads((tmp_path / "run" / "data.json").read_text())
    assert (source["data"], source["data_dir"]) == ("folder", str(folder_people))


@pytest.mark.usefixtures("unreported")
def test_folder_without_identities_trains_and_is_not_measured(iics, folder_people, tiny_flags, tmp_path):
    finished = iics(
        "train", "folder", "--data-dir", folder_people, "--out", tmp_path / "run", *tiny_flags.but("--rounds=1")
    )
    assert finished.code == 0
    assert "before training" not in finished.stdout
    assert not (tmp_path / "run" / "contact_sheet.png").exists()
    (record,) = map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    assert record["evaluation"] == {}
    assert record["stage2"]["pseudo_labels"]["adjusted_rand_index"] is None


@pytest.mark.usefixtures("unreported")
@pytest.mark.parametrize("place", ["{run}", "{run}/", "={run}"])
def test_finished_run_resumes_from_any_spelling_of_its_folder(iics, trained, place):
    out, _ = trained
    spelling = place.format(run=out)
    arguments = [f"--resume{spelling}"] if spelling.startswith("=") else ["--resume", spelling]
    finished = iics("train", *arguments)
    assert finished.code == 0, finished.stderr
    assert finished.stderr.startswith(f"Going on with {out}.\n")
    assert "after 1 round " in finished.stdout


def test_resume_refuses_other_flags(refusal, trained):
    message = refusal("train", "--resume", trained[0], "--rounds", "9")
    assert message == "--resume takes data and settings from the run; leave out --rounds 9."


def test_resume_refuses_data(refusal, trained):
    message = refusal("train", "sample", "--resume", trained[0])
    assert message == "--resume takes data and settings from the run; leave out sample."


@pytest.mark.usefixtures("unreported")
def test_a_finished_run_goes_on_with_its_data_where_it_lies_now_and_remembers_the_place(
    iics, refusal, trained, market_people, tmp_path
):
    out = shutil.copytree(trained[0], tmp_path / "run")
    moved = shutil.copytree(market_people, tmp_path / "moved")
    finished = iics("train", "--resume", out, "--data-dir", moved)
    assert finished.code == 0, finished.stderr
    assert RunFolder.open(out).source()["data_dir"] == str(moved)
    assert (out / "model.safetensors").read_bytes() == (trained[0] / "model.safetensors").read_bytes()
    next((moved / "bounding_box_test").iterdir()).unlink()
    message = refusal("train", "--resume", out)
    assert "market-layout gallery, which it is measured on, are not the same" in message


def test_resume_of_no_run_is_refused(refusal, tmp_path):
    message = refusal("train", "--resume", tmp_path / "nowhere")
    assert message == f"{tmp_path / 'nowhere'} is no run folder: it has no settings.json. Start a run with iics train."


def test_resume_of_a_run_from_python_is_refused(refusal, people, tiny_settings, tmp_path):
    RunFolder.create(tmp_path / "run", settings=tiny_settings, crops=people.train, source={})
    message = refusal("train", "--resume", tmp_path / "run")
    assert "was not started by iics train; go on with iics.resume(" in message


def test_resume_after_the_data_went_away_is_refused(refusal, people, tiny_settings, tmp_path):
    source = {"data": "market-layout", "data_dir": str(tmp_path / "gone"), "evaluate": "end"}
    RunFolder.create(tmp_path / "run", settings=tiny_settings, crops=people.train, source=source)
    assert refusal("train", "--resume", tmp_path / "run").startswith(f"{tmp_path / 'gone'} does not exist.")


def test_resume_with_a_crop_less_is_refused(refusal, damaged, people, tiny_settings, tmp_path):
    source = {"data": "market-layout", "data_dir": str(damaged), "evaluate": "end"}
    RunFolder.create(tmp_path / "run", settings=tiny_settings, crops=people.train, source=source)
    next((damaged / "bounding_box_train").iterdir()).unlink()
    message = refusal("train", "--resume", tmp_path / "run")
    assert "these 53 crops of market-layout train are not the same files" in message


def test_settings_with_an_unknown_key_are_refused_on_resume(refusal, market_people, people, tiny_settings, tmp_path):
    source = {"data": "market-layout", "data_dir": str(market_people), "evaluate": "end"}
    folder = RunFolder.create(tmp_path / "run", settings=tiny_settings, crops=people.train, source=source)
    file = folder.path / "settings.json"
    file.write_text(file.read_text().replace('"rounds"', '"round"'))
    assert refusal("train", "--resume", folder.path) == (
        f"{file} has an unknown setting 'round'. Did you mean 'rounds'?"
    )


def test_nothing_to_train_on_is_refused(refusal):
    message = refusal("train")
    names = ", ".join(get_args(DataName))
    assert message == (
        "What shall be trained on? Name a folder of cameras (iics train cameras), a table of crops (.csv, .parquet), "
        f"one of {names}, or --resume RUN."
    )


def test_run_folder_in_use_is_refused(refusal, trained, market_people, tiny_flags):
    out, _ = trained
    message = refusal("train", "market-layout", "--data-dir", market_people, "--out", out, *tiny_flags)
    assert message == (
        f"{out} exists already; nothing is overwritten. Choose another --out, or go on with that run: "
        f"iics train --resume {out}"
    )


def test_run_folder_in_use_is_refused_before_data_is_read_and_the_machine_probed(refusal, trained, tmp_path):
    out, _ = trained
    (tmp_path / "cameras").mkdir()  # empty, which reading it would tell
    assert refusal("train", tmp_path / "cameras", "--out", out).startswith(f"{out} exists already")


def test_setting_out_of_range_is_refused(train_refusal, market_people):
    assert (
        train_refusal("market-layout", market_people, "--rounds=0")
        == "rounds must be a whole number from 1 to 10,000; got 0."
    )


def test_unknown_backbone_is_refused(train_refusal, market_people):
    message = train_refusal("market-layout", market_people, "--backbone=resnet51")
    assert message.startswith("Unknown backbone 'resnet51': timm ")
    assert "Did you mean resnet" in message


def test_a_transformer_with_norms_that_it_has_not_or_a_size_that_its_patches_do_not_divide_is_refused(
    train_refusal, market_people
):
    message = train_refusal("market-layout", market_people, "--backbone=test_vit", "--norm=aibn")
    assert message.startswith(
        "--norm aibn has nothing to replace in test_vit: it has no batch norms (its norms: LayerN"
    )
    message = train_refusal("market-layout", market_people, "--backbone=test_vit", "--height=70")
    assert "patches of 16x16 pixels, which do not divide 70x32" in message
    message = train_refusal("market-layout", market_people, "--backbone=test_vit", "--pooling=gem")
    assert message.startswith("GeM pooling is for CNNs")
    message = train_refusal("market-layout", market_people, "--backbone=test_resnet", "--engine.gradient-checkpointing")
    assert message.startswith("--engine.gradient-checkpointing cannot be: test_resnet has batch norms")


@pytest.mark.usefixtures("unreported")
def test_a_transformer_trains_with_its_own_norms_and_resumes_to_a_model_that_knows_its_weights(
    iics, folder_people, tiny_flags, tmp_path
):
    torch.manual_seed(0)
    network = create_network("test_vit", size=(160, 160), own_pooling=True)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    tuning = ("--layer-decay=0.7", "--freeze-patch-embedding", "--engine.gradient-checkpointing")
    flags = tiny_flags.but("--rounds=1", "--backbone=test_vit", f"--weights={tmp_path / 'w.pth'}", *tuning)
    out = tmp_path / "run"
    finished = iics("train", folder_people, "--out", out, *flags)
    assert finished.code == 0, finished.stderr
    first = "test_vit has no batch norms: its own norms stay (LayerNorm); --norm own."
    assert finished.stderr.splitlines()[0] == first
    assert RunFolder.open(out).settings().model.norm == "own"
    model = load_model(out)
    assert model.header.origin.weights == "w.pth"
    assert torch.equal(model.backbone.patch_embed.proj.weight, network.patch_embed.proj.weight)
    assert not torch.equal(model.backbone.norm.weight, network.norm.weight)
    (tmp_path / "w.pth").unlink()
    for file in (out / "model.safetensors", *sorted((out / "checkpoints").iterdir())[-1:]):
        file.unlink()  # as killed between the stages
    assert iics("train", "--resume", out).code == 0
    again = load_model(out)
    assert again.header == model.header
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(again.backbone.state_dict()[key], value), key


def test_the_folder_of_a_backbone_is_found_from_any_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    model = replace(presets.SAMPLE.model, backbone="local-dir:nets/vit", weights="w.pth")
    found = with_absolute_weights(replace(presets.SAMPLE, model=model)).model
    assert (found.backbone, found.weights) == (f"local-dir:{tmp_path / 'nets/vit'}", str(tmp_path / "w.pth"))
    assert with_absolute_weights(presets.SAMPLE) == presets.SAMPLE


def test_missing_folder_is_refused(train_refusal, tmp_path):
    message = train_refusal("market-layout", tmp_path / "nowhere")
    assert message.startswith(f"{tmp_path / 'nowhere'} does not exist.")


def test_folder_without_the_layout_is_refused(train_refusal, tmp_path):
    (tmp_path / "empty").mkdir()
    message = train_refusal("market-layout", tmp_path / "empty")
    assert message.startswith(f"{tmp_path / 'empty'} does not hold a data set.")


def test_empty_folder_of_cameras_is_refused(train_refusal, tmp_path):
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path / 'empty'} has no folder in it" in train_refusal("folder", tmp_path / "empty")


def test_camera_without_crops_is_refused(train_refusal, folder_people, tmp_path):
    cameras = shutil.copytree(folder_people, tmp_path / "cameras")
    (cameras / "yard").mkdir()
    assert train_refusal("folder", cameras).startswith(f"Camera folder {cameras / 'yard'} holds no image")


def test_truncated_jpeg_is_named(train_refusal, damaged):
    torn = damaged / "bounding_box_train" / "0001_c1s1_000009_00.jpg"
    Image.effect_noise((32, 64), 40).convert("RGB").save(torn)
    torn.write_bytes(torn.read_bytes()[:-200])
    message = train_refusal("market-layout", damaged)
    assert message == (
        f"1 of 55 crops in market-layout train cannot be decoded: {torn} (truncated). Replace or remove these files."
    )


def test_file_that_is_no_image_is_named(train_refusal, damaged):
    fake = damaged / "bounding_box_train" / "0001_c1s1_000009_00.jpg"
    fake.write_text("not an image")
    message = train_refusal("market-layout", damaged)
    assert f"{fake} (no JPEG, PNG, BMP, WEBP image)" in message


def test_name_that_does_not_parse_is_named(train_refusal, damaged):
    crop = damaged / "bounding_box_train" / "somebody.png"
    shutil.copy(next((damaged / "query").iterdir()), crop)
    message = train_refusal("market-layout", damaged)
    assert message.startswith(f"{crop} is not named like a Market-1501 crop, e.g. 0002_c1s1_000451_03.jpg")


def test_person_in_train_and_test_is_refused(train_refusal, damaged):
    crop = next((damaged / "bounding_box_train").glob("0003*"))
    shutil.copy(crop, damaged / "query" / crop.name)
    assert "identities both in train and in query or gallery: 1, e.g. 0003" in train_refusal("market-layout", damaged)


@pytest.mark.usefixtures("unreported")
def test_camera_of_one_crop_is_warned_of_by_name(iics, folder_people, tiny_flags, tmp_path, caplog):
    cameras = shutil.copytree(folder_people, tmp_path / "cameras")
    (cameras / "yard").mkdir()
    shutil.copy(cameras / "hall" / "00.png", cameras / "yard" / "1.png")
    with caplog.at_level(logging.WARNING):
        finished = iics(
            "train", "folder", "--data-dir", cameras, "--out", tmp_path / "run", *tiny_flags.but("--rounds=1")
        )
    assert finished.code == 0
    assert "Camera yard has 1 crop(s); stage 1 needs at least 2, so it sits out." in caplog.messages


def test_weights_that_do_not_fit_are_refused(train_refusal, market_people, tmp_path):
    torch.save({"layer1.weight": torch.zeros(3)}, tmp_path / "weights.pth")
    message = train_refusal("market-layout", market_people, f"--weights={tmp_path / 'weights.pth'}")
    assert message.startswith(f"{tmp_path / 'weights.pth'} does not fit the backbone: it lacks ")


def test_weights_that_are_no_weights_are_refused(train_refusal, market_people, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"nothing of the kind")
    message = train_refusal("market-layout", market_people, f"--weights={tmp_path / 'weights.pth'}")
    assert message.startswith(f"Cannot read weights from {tmp_path / 'weights.pth'}")


def test_missing_weights_are_refused(train_refusal, market_people, tmp_path):
    message = train_refusal("market-layout", market_people, f"--weights={tmp_path / 'nowhere.pth'}")
    assert message == f"No weights file at {tmp_path / 'nowhere.pth'}; needed is a file, or `imagenet` or `none`."


def test_weights_that_cannot_be_had_are_refused_before_data_is_read(train_refusal, tmp_path, monkeypatch):
    nowhere = tmp_path / "nowhere"
    assert train_refusal("folder", nowhere, f"--weights={nowhere}.pth").startswith("No weights file at")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    message = train_refusal("folder", nowhere, "--weights=imagenet", "--backbone=resnet50")
    assert message.startswith("Cannot download the ImageNet weights resnet50")
