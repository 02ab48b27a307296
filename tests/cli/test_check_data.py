"""`iics check-data` with its picture, its estimate and JSON."""

import json
import shutil
from dataclasses import replace

import pytest
from PIL import Image

from iics.cli import check_data
from iics.cli.check_data import estimate_text
from iics.cli.source import DataSource
from iics.readers.benchmarks import BENCHMARKS, load_market_layout
from iics.readers.published_counts import compare_counts, counts_table
from iics.runs.estimate import RepeatedWork, RunEstimate


@pytest.fixture
def estimate():
    """3 h 20 min of training on a machine with room."""
    return RunEstimate(
        settings="resnet50 at 256x128, 40 rounds",
        engine="cpu",
        load=0.1,
        num_cores=2,
        works=(RepeatedWork("stage 1: training", "step of 48 crops", 1000, 12.0, "steps of up to 16 crops"),),
        start_seconds=0.0,
        clustering_bytes=2 * 10**9,
        step_bytes=5 * 10**9,
        free_bytes=20 * 10**9,
        pixel_bytes=13 * 10**8,
        free_disk_bytes=80 * 10**9,
        pixel_folder="/cache",
    )


def test_an_estimate_says_that_the_starting_weights_cannot_be_had(estimate):
    assert "cannot start" not in estimate_text(estimate)
    without = replace(estimate, weights_problem="No network. Without a download: --weights FILE.")
    assert "Warning: The run cannot start here as it is. No network. Without a download:" in estimate_text(without)


def test_json_holds_the_report(iics, market_people):
    finished = iics("check-data", "market-layout", "--data-dir", market_people, "--json")
    found = json.loads(finished.stdout)
    assert finished.code == 0
    assert (found["ok"], found["errors"], found["estimate"]) == (True, [], None)
    assert found["splits"][0]["num_crops"] == 54
    assert found["splits"][0]["sizes"]["width"]["median"] == 32


def test_json_of_faulty_data_still_ends_with_2(iics, market_people, tmp_path):
    data_dir = tmp_path / "torn"
    shutil.copytree(market_people, data_dir)
    next((data_dir / "query").iterdir()).write_bytes(b"")
    finished = iics("check-data", "market-layout", "--data-dir", data_dir, "--json", "--estimate")
    found = json.loads(finished.stdout)
    assert finished.code == 2
    assert (found["ok"], len(found["errors"]), found["estimate"]) == (False, 1, None)


def test_the_picture_is_written(iics, market_people, tmp_path):
    sheet = tmp_path / "with space" / "cameras.png"
    sheet.parent.mkdir()
    finished = iics("check-data", "market-layout", "--data-dir", market_people, "--contact-sheet", sheet)
    assert finished.stdout.endswith(f"Contact sheet: {sheet}\n")
    with Image.open(sheet) as picture:
        assert picture.height > 3 * 128


def test_pages_are_numbered(iics, tmp_path, market_people):
    source = next((market_people / "query").iterdir())
    for camera in range(13):
        (tmp_path / "cameras" / f"c{camera}").mkdir(parents=True)
        for number in range(2):
            shutil.copy(source, tmp_path / "cameras" / f"c{camera}" / f"{number}{source.suffix}")
    sheet = tmp_path / "sheet.jpg"
    finished = iics("check-data", "folder", "--data-dir", tmp_path / "cameras", "--contact-sheet", sheet)
    assert finished.stdout.splitlines()[-2:] == [
        f"Contact sheet: {sheet}",
        f"Contact sheet: {tmp_path / 'sheet-2.jpg'}",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--contact-sheet", "{tmp}/a.gif"], "Contact sheets are written as .png or .jpg; {tmp}/a.gif ends in .gif."),
        (["--contact-sheet", "{tmp}/no/a.png"], "There is no folder {tmp}/no to write a.png into."),
        (["--preset", "sample"], "--preset says which run is estimated; add --estimate."),
        (["--seeds", "3"], "--seeds says how many runs are estimated; add --estimate."),
        (["--seeds", "0", "--estimate"], "--seeds must be a whole number from 1 to 100; got 0."),
    ],
)
def test_check_data_refuses_before_it_reads(refusal, market_people, tmp_path, arguments, expected):
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    message = refusal("check-data", "market-layout", "--data-dir", market_people, *filled)
    assert message == expected.format(tmp=tmp_path)


@pytest.mark.parametrize("arguments", [[], ["--preset", "sample"]])
def test_the_estimate_is_of_the_preset_asked_for_or_of_what_training_would_choose(
    iics, monkeypatch, market_people, estimate, arguments
):
    from iics import fit_settings, load_market_layout, presets
    from iics.runs import estimate as run_estimate

    fitted = fit_settings(load_market_layout(market_people).train)
    expected = presets.SAMPLE if arguments else fitted.settings
    asked = []
    monkeypatch.setattr(
        run_estimate,
        "estimate_run",
        lambda _, *what, num_seeds: asked.append((*what, num_seeds)) or estimate,
    )
    finished = iics("check-data", "market-layout", "--data-dir", market_people, "--estimate", "--seeds=3", *arguments)
    assert asked == [(expected, 3)]
    assert (fitted.choice_line in finished.stdout) == (not arguments)
    assert estimate_text(estimate) in finished.stdout
    as_json = json.loads(
        iics("check-data", "market-layout", "--data-dir", market_people, "--estimate", "--json", *arguments).stdout
    )
    assert (as_json["estimate"]["seconds"], as_json["estimate"]["peak_bytes"]) == (12000.0, 5 * 10**9)


def test_the_estimate_names_what_it_rests_on(estimate):
    assert estimate_text(estimate).splitlines() == [
        "A run of iics train on this machine (resnet50 at 256x128, 40 rounds; cpu):",
        "  time    about 3 h 20 min",
        "            3 h 20 min  stage 1: training: 1,000 x 12.00 s a step of 48 crops "
        "(measured: steps of up to 16 crops)",
        "  memory  about 5.0 GB at most (clustering 2.0 GB, steps 5.0 GB); 20.0 GB free",
        "  disk    1.3 GB for decoded crops, 80.0 GB free in /cache",
    ]


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"load": 1.5}, "Warning: The machine was busy before the probe (load 1.5 on 2 cores)"),
        ({"free_bytes": 10**9}, "Warning: Memory may not suffice."),
        ({"free_disk_bytes": 10**9}, "Warning: The disk has no room for decoded crops"),
    ],
)
def test_the_estimate_warns(estimate, change, warning):
    from dataclasses import replace

    assert warning in estimate_text(replace(estimate, **change))
    assert "Warning" not in estimate_text(estimate)


def test_progress_adds_up():
    seen = []
    progress = check_data._advancing(seen.append)
    for done in (64, 128, 130):
        progress(done)
    assert seen == [64, 64, 2]


def test_a_benchmark_with_other_counts_is_refused_after_a_table_of_both(iics, market_people):
    finished = iics("check-data", "market1501", "--data-dir", market_people)
    assert (finished.code, finished.stdout) == (2, "")
    *table, error = finished.stderr.strip().splitlines()
    assert table[0].split() == ["split", "expected", "found"]
    assert table[1].split() == ["train", "crops", "12,936", "54", "differs"]
    assert error.startswith(f"iics: error: {market_people} is not Market-1501 as it was published: train: 12,936 crops")


def test_a_whole_benchmark_is_reported_with_its_published_counts(iics, monkeypatch, market_people):
    splits = load_market_layout(market_people, name="market1501")
    monkeypatch.setattr(DataSource, "load", lambda _: splits)
    printed = iics("check-data", "market1501", "--data-dir", market_people).stdout
    assert counts_table(compare_counts(splits, BENCHMARKS["market1501"].counts)) in printed
