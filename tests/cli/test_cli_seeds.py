"""`iics train --seeds`, and what the other commands make of the folder that it leaves."""

import json
import re
import shutil

import pytest

from iics.reports import seeds_report
from iics.runs.run_folder import RunFolder
from iics.runs.seed_runs import SeedRuns


@pytest.fixture(scope="module")
def arguments(market_people, tiny_flags):
    """Everything of `iics train` but where the runs go."""
    flags = tiny_flags.but("--rounds=1", "--stages=stage1", "--seed=5", "--seeds=2")
    return ["market-layout", "--data-dir", market_people, *flags]


@pytest.fixture(scope="module")
def two_seeds(iics, arguments, tmp_path_factory):
    """The folder of seeds 5 and 6, and what the command printed."""
    out = tmp_path_factory.mktemp("seeds") / "two"
    finished = iics("train", *arguments, "--out", out)
    assert finished.code == 0, finished.stderr
    return out, finished


@pytest.fixture
def copied(two_seeds, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(two_seeds[0], tmp_path / "two")


@pytest.fixture(scope="module")
def data(market_people):
    return ["market-layout", "--data-dir", market_people]


def without_seed_6(folder):
    """Leave a folder as a kill in the second seed would have."""
    shutil.rmtree(folder / "seed-6")
    values = json.loads((folder / "seeds.json").read_text())
    (folder / "seeds.json").write_text(json.dumps({**values, "finished": [5]}))
    return folder


def test_training_says_which_seed_is_at_work_and_ends_with_mean_and_deviation(two_seeds):
    out, finished = two_seeds
    unread, start = finished.stderr.splitlines()[:2]
    assert unread.startswith("--stages stage1 does not read --stage2.epochs, ")
    assert "1 round for each of 2 seeds, one process; folder of runs " in start
    assert f"Training seed 5; run folder {out}/seed-5\n" in finished.stderr
    assert f"Training seed 6; run folder {out}/seed-6\n" in finished.stderr
    assert str(SeedRuns.read(out)) in finished.stdout
    assert re.search(r"^standard deviation( +\d+\.\d){5}$", finished.stdout, flags=re.MULTILINE)
    assert f"Report:  {out}/report.html" in finished.stdout


def test_the_folder_tells_what_it_holds(two_seeds, market_people):
    values = json.loads((two_seeds[0] / "seeds.json").read_text())
    assert (values["seeds"], values["finished"]) == ([5, 6], [5, 6])
    assert values["source"]["data_dir"] == str(market_people)
    assert values["settings"]["rounds"] == 1
    assert [RunFolder.open(two_seeds[0] / f"seed-{seed}").settings().seed for seed in (5, 6)] == [5, 6]


@pytest.mark.slow
@pytest.mark.usefixtures("unreported")
@pytest.mark.parametrize("way", ["--resume", "the same command"])
def test_a_stopped_folder_goes_on_without_the_finished_seed(iics, copied, arguments, two_seeds, same_weights, way):
    without_seed_6(copied)
    again = ["--resume", copied] if way == "--resume" else [*arguments, "--out", copied]
    finished = iics("train", *again)
    assert finished.code == 0, finished.stderr
    assert "seed 5;" not in finished.stderr
    assert f"Training seed 6; run folder {copied}/seed-6\n" in finished.stderr
    assert same_weights(copied / "seed-6", two_seeds[0] / "seed-6")


@pytest.mark.usefixtures("unreported")
def test_seeds_go_on_with_their_data_where_it_lies_now_and_all_remember_the_place(
    iics, copied, market_people, tmp_path
):
    moved = shutil.copytree(market_people, tmp_path / "moved")
    finished = iics("train", "--resume", copied, "--data-dir", moved)
    assert finished.code == 0, finished.stderr
    assert SeedRuns.read(copied).source["data_dir"] == str(moved)
    assert {RunFolder.open(copied / f"seed-{seed}").source()["data_dir"] for seed in (5, 6)} == {str(moved)}


def test_resume_takes_no_seeds(refusal, trained, two_seeds):
    for folder in (trained[0], two_seeds[0]):
        message = refusal("train", "--resume", folder, "--seeds", "3")
        assert message == "--resume takes data and settings from the run; leave out --seeds 3."


@pytest.mark.parametrize("seeds", ["0", "-1", "101"])
def test_a_number_of_seeds_that_cannot_be_is_refused(refusal, arguments, tmp_path, seeds):
    others = [word for word in arguments if not str(word).startswith("--seeds")]
    message = refusal("train", *others, f"--seeds={seeds}", "--out", tmp_path / "no")
    assert message == f"--seeds must be a whole number from 1 to 100; got {seeds}."
    assert not (tmp_path / "no").exists()


def test_other_settings_in_a_folder_of_seeds_are_refused(refusal, arguments, two_seeds):
    message = refusal("train", *arguments, "--momentum", "0.5", "--out", two_seeds[0])
    assert message.startswith(f"{two_seeds[0]} holds runs of seeds 5, 6, and their settings are not what is asked for")


def test_a_single_run_is_not_made_in_a_folder_of_seeds(refusal, arguments, two_seeds):
    others = [word for word in arguments if not str(word).startswith("--seeds")]
    assert "exists already; nothing is overwritten" in refusal("train", *others, "--out", two_seeds[0])


def test_evaluate_ranks_a_folder_of_seeds_by_the_mean_distance_beside_each_model(iics, two_seeds, data):
    out = two_seeds[0]
    finished = iics("evaluate", out, *data)
    assert finished.code == 0, finished.stderr
    labels = [line.split("  ")[0] for line in finished.stdout.splitlines()]
    spread = ["mean", "standard deviation", "minimum", "maximum"]
    assert labels == [
        "%",
        f"{out}/seed-5",
        f"{out}/seed-6",
        *spread,
        "mean distance",
        "Queries 9, without match 0.",
    ]


def test_evaluate_json_has_each_models_own_numbers_and_their_spread(iics, two_seeds, data):
    runs = [two_seeds[0] / f"seed-{seed}" for seed in (5, 6)]
    alone = [json.loads(iics("evaluate", run, *data, "--json").stdout) for run in runs]
    found = json.loads(iics("evaluate", *runs, *data, "--json").stdout)
    scores = ("mean_ap", "rank1", "mean_inp")
    for run, own in zip(runs, alone, strict=True):
        assert {name: found["models"][str(run)][name] for name in scores} == {name: own[name] for name in scores}
    assert found["spread"]["mean_ap"]["mean"] == pytest.approx(sum(own["mean_ap"] for own in alone) / 2)
    assert found["spread"]["mean_ap"]["maximum"] == max(own["mean_ap"] for own in alone)
    assert 0 < found["mean_ap"] <= 1
    assert found["remarks"] == []


def test_evaluate_json_says_of_each_model_whether_its_features_are_centred(iics, two_seeds, data):
    found = json.loads(iics("evaluate", two_seeds[0], *data, "--centre", "on", "--json").stdout)
    assert [own["centre"]["is_centred"] for own in found["models"].values()] == [True, True]


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags", [["--rerank"], ["--protocol", "camera-pairs"], ["--protocol", "single-gallery-shot", "--repeats", "2"]]
)
def test_every_protocol_takes_several_models(iics, two_seeds, data, flags):
    text, as_json = (iics("evaluate", two_seeds[0], *data, *flags, *more) for more in ([], ["--json"]))
    assert (text.code, as_json.code) == (0, 0), text.stderr + as_json.stderr
    assert "mean distance" in text.stdout
    assert len(json.loads(as_json.stdout)["models"]) == 2


def test_the_sheet_of_several_models_shows_their_ranking(iics, two_seeds, data, tmp_path):
    finished = iics("evaluate", two_seeds[0], *data, "--contact-sheet", tmp_path / "sheet.png")
    assert finished.code == 0, finished.stderr
    assert (tmp_path / "sheet.png").is_file()


def test_without_labels_several_models_are_one_and_what_is_missing_is_said(iics, two_seeds, folder_people):
    arguments = ["evaluate", two_seeds[0], "folder", "--data-dir", folder_people]
    finished = iics(*arguments)
    assert finished.code == 0, finished.stderr
    assert finished.stdout.startswith(
        "The 2 models as one, by the mean of their similarities. Not offered here: the numbers of each model and their "
        "spread; name one model for its own."
    )
    found = json.loads(iics(*arguments, "--json").stdout)
    assert found["label_free"]
    assert "Not offered here" in found["note"]


def test_an_unfinished_seed_is_told_of_and_left_out(iics, copied, data, caplog):
    without_seed_6(copied)
    finished = iics("evaluate", copied, *data)
    assert finished.code == 0
    assert f"Seed 6 of {copied} is not finished and left out. Go on with: iics train" in caplog.text
    assert finished.stdout == iics("evaluate", copied / "seed-5", *data).stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("{out}/seed-5 {out}/seed-5", "One model is named twice: {out}/seed-5. It would count double; name it once."),
        ("{out} {out}/seed-6", "One model is named twice: {out}/seed-6. It would count double; name it once."),
        ("{out}/seed-5 {copy}", "{out}/seed-5 and {copy} are the same model: their weights are equal. It would count"),
        ("{out}/seed-5 {out}/none", "No model file at {out}/none; a run folder keeps its own as"),
        (
            "{out} --calibrate",
            "--calibrate takes one model, got 2: thresholds are of the matches of one. Name one run.",
        ),
    ],
)
def test_what_several_models_cannot_be_is_refused(refusal, two_seeds, data, tmp_path, words, expected):
    copy = shutil.copy(two_seeds[0] / "seed-5" / "model.safetensors", tmp_path / "copy.safetensors")
    places = {"out": two_seeds[0], "copy": copy}
    message = refusal("evaluate", *(word.format(**places) for word in words.split()), *data)
    assert message.startswith(expected.format(**places))


def test_a_name_that_is_neither_model_nor_data_is_refused_with_the_data_there_is(refusal, two_seeds):
    message = refusal("evaluate", two_seeds[0], "sampel")
    assert message.startswith("'sampel' is no data: ")
    assert "Did you mean sample?" in message


def test_marks_take_one_model(refusal, two_seeds, tmp_path):
    message = refusal("evaluate", two_seeds[0], "--marks", tmp_path / "marks.csv")
    assert message == "--marks takes one model, got 2: marks are on the matches of one. Name one run."


def test_a_command_of_one_model_names_a_run_of_the_folder(refusal, two_seeds, folder_people, tmp_path):
    message = refusal("embed", two_seeds[0], folder_people, "--out", tmp_path / "features.npz")
    assert message == (
        f"{two_seeds[0]} holds the runs of several seeds, and one model is needed. Name one of them, e.g. "
        f"{two_seeds[0]}/seed-5."
    )


@pytest.mark.slow
def test_the_report_has_a_table_with_deviations_and_the_curves_of_all_seeds(iics, copied, tmp_path):
    (copied / "report.html").unlink()
    finished = iics("report", copied, "--figures", tmp_path / "figures")
    assert finished.code == 0, finished.stderr
    assert finished.stdout.splitlines()[0] == str(copied / "report.html")
    page = (copied / "report.html").read_text()
    assert "mean ± standard deviation" in page
    assert "2 of 2 seeds finished" in page
    assert 'alt="mAP by round and seed"' in page
    assert (tmp_path / "figures" / "map-by-round-and-seed.svg").is_file()
    assert len(seeds_report.ToldSeeds.read(copied).told) == 2


def test_the_report_tells_of_seeds_that_are_not_finished(iics, copied):
    without_seed_6(copied)
    assert iics("report", copied).code == 0
    page = (copied / "report.html").read_text()
    assert f"Not finished, and in no mean: seed 6: to do. Go on with: iics train --resume {copied}" in page
    assert "1 of 2 seeds finished" in page
