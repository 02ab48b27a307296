"""`iics reproduce` trains what is needed, prints tables, uses runs again, and says what to do about mistakes."""

import csv
import functools
from dataclasses import replace

import numpy as np
import pytest

from iics.paper import study
from iics.paper.run_store import RunStore
from iics.paper.variants import LAYERS


@pytest.fixture(scope="module")
def tiny_quick(tiny_settings):
    """The quick preset, but tiny, with a backbone whose layers are made known to Table 4."""
    with pytest.MonkeyPatch.context() as patch:
        layers = {1: ("blocks.0",), 2: ("blocks.1",), 3: ("blocks.2", "blocks.3"), 4: ("blocks.4", "bn2")}
        patch.setitem(LAYERS, tiny_settings.model.backbone, layers)
        patch.setattr(study, "quick_settings", lambda num_identities: replace(tiny_settings, rounds=1))
        yield


@pytest.fixture(scope="module")
def call(iics, market_people, tiny_quick):
    return functools.partial(
        iics, "reproduce", "--data", "market-layout", "--data-dir", market_people, "--weights=none"
    )


@pytest.fixture(scope="module")
def reproduced(call, tmp_path_factory):
    out = tmp_path_factory.mktemp("reproduced") / "a folder"
    finished = call("figure1", "figure3", "--out", out)
    assert finished.code == 0, finished.stderr
    return out, finished


@pytest.mark.slow
def test_progress_goes_to_standard_error_and_tables_to_standard_output(reproduced):
    out, finished = reproduced
    assert "run 1/2: training " in finished.stderr
    assert "run 2/2: training " in finished.stderr
    assert "Figure 3: the runs whose similarities are shown" in finished.stdout
    assert "both, Eq. 5" in finished.stdout
    assert "Mean cosine similarity after stage 1 alone: same person, same camera" in finished.stdout
    assert f"Written to {out}:" in finished.stdout.replace("\n", " ")


@pytest.mark.slow
def test_the_folder_holds_tables_scores_and_the_numbers_of_figures(reproduced):
    out, _ = reproduced
    names = {
        f"{target}.{ending}"
        for target in ("figure1", "figure3")
        for ending in ("md", "csv", "html", "npz", "svg", "pdf", "png")
    }
    assert {path.name for path in out.iterdir()} == {*names, "runs.csv", "runs"}
    with (out / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["target"], row["row"]) for row in rows] == [
        ("figure1", "both, Eq. 5"),
        ("figure3", "stage 1"),
        ("figure3", "both, Eq. 5"),
    ]
    assert rows[0]["run"] == rows[2]["run"]
    assert 0 < float(rows[0]["mean_ap"]) <= 100
    with np.load(out / "figure1.npz") as arrays:
        assert arrays["before"].shape == arrays["after"].shape == (54, 256)
    with np.load(out / "figure3.npz") as arrays:
        assert arrays["counts"].sum(axis=(1, 2)).tolist() == [54 * 53] * 3


@pytest.mark.slow
def test_a_table_says_what_it_was_measured_on(reproduced):
    out, _ = reproduced
    text = (out / "figure1.md").read_text()
    assert "market-layout: trained on 54 crops of 6 identities by 3 cameras; tested with 9 queries" in text
    assert (
        "Preset quick: test_efficientnet at 64x32, 1 round of 1 + 1 epochs, clusters 6 in a camera and 6 over" in text
    )
    assert "seed 0, so without a deviation" in text
    assert "torch 2." in text


@pytest.mark.slow
def test_finished_runs_are_used_again_by_another_table(call, reproduced, monkeypatch):
    out, _ = reproduced
    trained = []

    def make(store, run, **named):
        trained.append(run.name)
        raise ValueError("nothing is trained here")

    monkeypatch.setattr(RunStore, "make", make)
    finished = call("table1", "--out", out)
    assert finished.code == 1
    # Of five, stage 1 alone and the full method are there.
    assert [name.split("_seed")[0] for name in trained] == [
        "similarity-cnn_stages-stage2",
        "similarity-cnn",
        "similarity-overlap",
    ]
    assert "failed: ValueError: nothing is trained here" in finished.stderr
    assert "failed" in (out / "table1.md").read_text()
    assert "paper, Market-1501: mAP" in (out / "table1.csv").read_text()
    with (out / "runs.csv").open() as file:
        assert [row["target"] for row in csv.DictReader(file)] == ["figure1", "figure3", "figure3", *["table1"] * 5]


@pytest.mark.slow
def test_dry_run_trains_nothing_and_estimates_from_what_is_there(call, reproduced, tmp_path):
    out, _ = reproduced
    finished = call("table1", "table2", "--seeds", "2", "--dry-run", "--out", out)
    assert finished.code == 0
    assert "18 runs: 2 finished, 16 to finish. Finished ones trained for" in finished.stdout
    new = call("table1", "--dry-run", "--out", tmp_path / "new")
    assert "5 runs: 0 finished, 5 to finish. How long they take is estimated once one is finished." in new.stdout
    assert not (tmp_path / "new").exists()


def test_all_leaves_table_3_out_with_a_warning_where_there_are_too_few_cameras(call, tmp_path, caplog):
    finished = call("all", "--dry-run", "--out", tmp_path / "new")
    assert finished.code == 0
    assert "20 runs:" in finished.stdout
    assert "Table 3 is left out." in caplog.text


def test_a_second_data_set_may_have_the_name_of_the_first(call, market_people, tmp_path):
    flags = ("--other-data", "market-layout", "--other-data-dir", market_people)
    finished = call("table3", "--dry-run", *flags, "--out", tmp_path / "new")
    assert finished.code == 0
    assert "4 runs: 0 finished, 4 to finish." in finished.stdout
    assert "supervised_market-layout-other-" in finished.stdout.replace("\n", "")


def test_ctrl_c_says_how_to_go_on(call, tmp_path, monkeypatch):
    def stop(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(RunStore, "make", stop)
    finished = call("table1", "--out", tmp_path / "out")
    assert finished.code == 130
    assert "Stopped. 0 of 5 runs are finished, their tables are in" in finished.stderr
    assert "the same command goes on." in finished.stderr


def test_weights_that_do_not_exist_are_refused_before_any_run(refusal, market_people, tiny_quick, tmp_path):
    data = ("--data", "market-layout", "--data-dir", market_people, "--out", tmp_path / "out")
    message = refusal("reproduce", "table1", *data, "--weights", tmp_path / "none.pth")
    assert str(tmp_path / "none.pth") in message


def test_a_file_in_place_of_the_folder_is_refused(refusal, market_people, tiny_quick, tmp_path):
    (tmp_path / "file").write_text("")
    data = ("--data", "market-layout", "--data-dir", market_people, "--weights", "none")
    message = refusal("reproduce", "table1", *data, "--out", tmp_path / "file")
    assert message.startswith(f"Cannot write to {tmp_path / 'file' / 'runs'}: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "What shall be reproduced? Name one or more of table1, "),
        (["table1", "--seeds", "0"], "--seeds must be a whole number from 1 to 100; got 0."),
        (["table1", "--data", "market1501"], "Where is the data? market1501 needs --data-dir FOLDER."),
        (["table1", "--other-data-dir", "x"], "--other-data-dir is where --other-data is; name that, too"),
    ],
)
def test_mistakes_are_named(refusal, arguments, message):
    assert refusal("reproduce", *arguments).startswith(message)


def test_too_few_cameras_for_table_3_are_refused(refusal, market_people):
    message = refusal("reproduce", "table3", "--data", "market-layout", "--data-dir", market_people)
    assert message.startswith("Table 3 within one data set trains on half of the cameras")


def test_an_unknown_target_is_refused(iics):
    finished = iics("reproduce", "table9")
    assert finished.code == 2


def test_the_help_names_every_target(iics):
    finished = iics("reproduce", "--help")
    assert finished.code == 0
    assert "table1, table2, table3, table4, table5, table6, figure1, figure3, figure4, all" in " ".join(
        finished.stdout.split()
    )
