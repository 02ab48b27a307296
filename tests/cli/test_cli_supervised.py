"""`iics train --supervised`, and IICS started from what it made."""

import json
from dataclasses import replace

import pytest

from iics import presets
from iics.cli.train_arguments import defaults_of

FLAGS = ["--rounds=1", "--supervised.epochs=1", "--supervised.identities-per-batch=4"]


@pytest.fixture(scope="module")
def supervised(iics, market_people, tiny_flags, tmp_path_factory):
    out = tmp_path_factory.mktemp("supervised") / "run"
    finished = iics(
        "train", "--supervised", "market-layout", "--data-dir", market_people, "--out", out, *tiny_flags.but(*FLAGS)
    )
    assert finished.code == 0, finished.stderr
    return out, finished


def test_training_on_identities_says_so_and_ends_with_the_table(supervised):
    out, finished = supervised
    unread, start = finished.stderr.splitlines()[:2]
    assert unread.startswith("--method supervised does not read --distance.kind, --stage1.epochs, ")
    assert start == (
        "54 crops of 3 cameras (market-layout train); test_efficientnet at 64x32, 1 round on identities, one process; "
        f"run folder {out}"
    )
    assert "round 1/1  supervised: train  4/4  loss " in finished.stderr
    assert "before training" in finished.stdout
    assert "after 1 round " in finished.stdout
    assert (out / "contact_sheet.png").is_file()


@pytest.mark.usefixtures("unreported")
def test_finished_run_resumes(iics, supervised):
    out, _ = supervised
    finished = iics("train", "--resume", out)
    assert finished.code == 0, finished.stderr
    assert "after 1 round " in finished.stdout


@pytest.mark.usefixtures("unreported")
def test_iics_starts_from_a_run_given_as_weights(iics, supervised, folder_people, market_people, tiny_flags, tmp_path):
    out, _ = supervised
    finished = iics(
        "train",
        "market-layout",
        "--data-dir",
        market_people,
        "--out",
        tmp_path / "run",
        *tiny_flags.but("--rounds=1", f"--weights={out}"),
    )
    assert finished.code == 0, finished.stderr
    first, second = (
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (out, tmp_path / "run")
    )
    ended = first[-1]["evaluation"]
    assert second[0]["evaluation"] == {name: ended[name] for name in ended if not name.startswith("centred_")}
    assert "stage2" in second[1]


def test_weights_of_another_kind_are_refused(refusal, supervised, market_people, tiny_flags, tmp_path):
    out, _ = supervised
    message = refusal(
        "train",
        "market-layout",
        "--data-dir",
        market_people,
        "--out",
        tmp_path / "run",
        *tiny_flags.but(f"--weights={out}", "--norm=bn"),
    )
    assert message.startswith(f"{out / 'model.safetensors'} was made with --norm aibn; with --norm bn its weights ")
    assert not (tmp_path / "run").exists()


def test_a_folder_of_cameras_has_no_identities(refusal, folder_people, tiny_flags, tmp_path):
    message = refusal(
        "train", "folder", "--data-dir", folder_people, "--out", tmp_path / "run", *tiny_flags, "--supervised"
    )
    assert message.startswith("--supervised needs identities, and cameras train has none. ")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("stages", ["stage1", "stage2"])
def test_stages_of_iics_are_refused_beside_it(refusal, stages):
    flags = ["--stages", stages, "--stage2.similarity", "cnn"]
    assert refusal("train", "sample", "--supervised", *flags) == (
        f"--stages {stages} is of the method iics; --method supervised has its own stages."
    )


def test_another_method_is_refused_beside_it(refusal):
    assert refusal("train", "sample", "--supervised", "--method", "iics") == (
        "--supervised is --method supervised, and --method iics another; leave one out."
    )


def test_the_method_by_its_name_is_the_same(refusal, folder_people, tiny_flags, tmp_path):
    message = refusal(
        "train", "folder", "--data-dir", folder_people, "--out", tmp_path / "run", *tiny_flags, "--method", "supervised"
    )
    assert message.startswith("--supervised needs identities, and cameras train has none. ")


@pytest.mark.parametrize(
    ("arguments", "preset"),
    [
        (["--supervised", "sample"], presets.SAMPLE),
        (["sample", "--supervised"], presets.SAMPLE),
        (["folder", "--supervised", "--preset", "msmt17"], presets.MSMT17),
        (["--supervised", "--preset=sample", "market-layout"], presets.SAMPLE),
    ],
)
def test_it_changes_the_stages_of_any_preset_and_nothing_else(arguments, preset):
    assert defaults_of(arguments).settings == replace(preset, method="supervised")


def test_resuming_takes_it_from_the_run(refusal, supervised):
    out, _ = supervised
    message = refusal("train", "--resume", out, "--supervised")
    assert message == "--resume takes data and settings from the run; leave out --supervised."
