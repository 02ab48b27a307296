"""Runs side by side: from made-up run folders, nothing trained."""

import json
import shutil

import pytest

from iics.errors import RunFolderError
from iics.evaluation.across_cameras import AcrossCameras
from iics.reports.comparison import Comparison
from iics.reports.comparison_page import comparison_html, comparison_text, comparison_values
from iics.reports.judgement_file import Judgement


@pytest.fixture
def make_folder(tmp_path, make_record):
    def make(name, *, rounds=2, with_identities=True, data="people train", seed=0, trained_on="a", **settings):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        values = {"rounds": 2, "seed": seed, "method": "iics", "device": name, "model": {"backbone": "resnet18"}}
        (folder / "settings.json").write_text(json.dumps(values | settings))
        given = {"name": data, "num_crops": 170, "fingerprint": trained_on}
        (folder / "data.json").write_text(json.dumps(given))
        start = {"round": 0, "alpha": {}, "evaluation": {"mean_ap": 0.1 + seed / 100} if with_identities else {}}
        records = [start, *(make_record(number, with_identities=with_identities) for number in range(1, rounds + 1))]
        for record in records[1:]:
            if with_identities:
                record["evaluation"]["mean_ap"] += seed / 50
        (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        return folder

    return make


def cells(rows):
    return {row[0]: dict(zip(rows[0][1:], row[1:], strict=True)) for row in rows[1:]}


def test_runs_stand_side_by_side_with_their_last_scores(make_folder):
    found = cells(Comparison.read([make_folder("first"), make_folder("second", seed=1)]).table())
    assert found["first"]["mAP %"] == "32.0"
    assert found["second"]["mAP %"] == "34.0"
    assert found["first"]["clusters"] == "25"
    assert found["first"]["minutes"] == "2.3"
    assert "trained on" not in found["first"]


def test_runs_that_differ_in_their_seed_alone_have_mean_and_deviation(make_folder):
    folders = [make_folder(f"run{seed}", seed=seed) for seed in (0, 1, 2)]
    folders.append(make_folder("other", seed=0, method="supervised"))
    comparison = Comparison.read(folders)
    assert [[run.name for run in group] for group in comparison.seed_groups] == [["run0", "run1", "run2"]]
    assert cells(comparison.table())["run0 and 2 more seeds: mean ± deviation"]["mAP %"] == "34.0 ± 2.0"


def test_a_run_that_is_not_finished_is_told_of_and_in_no_mean(make_folder):
    comparison = Comparison.read([make_folder("first"), make_folder("second", seed=1, rounds=1)])
    assert comparison.seed_groups == []
    assert comparison.notes == ["second is not finished: round 1 of 2 (not finished). It is told as it is now."]


def test_settings_that_differ_are_listed_and_those_of_the_machine_are_not(make_folder):
    comparison = Comparison.read([make_folder("first"), make_folder("second", seed=1, model={"backbone": "resnet50"})])
    assert comparison.differing_settings() == [
        ("setting", "first", "second"),
        ("seed", "0", "1"),
        ("model.backbone", "resnet18", "resnet50"),
    ]


def test_runs_on_different_pictures_are_told_apart(make_folder):
    comparison = Comparison.read(
        [make_folder("first"), make_folder("second", trained_on="b", data="others"), make_folder("third")]
    )
    assert [comparison.letters[name][0] for name in ("first", "second", "third")] == ["A", "B", "A"]
    assert comparison.notes[0].startswith("Trained on different pictures (A: people train, 170 crops; B: others, 170 ")
    assert cells(comparison.table())["second"]["trained on"] == "B"
    assert comparison.seed_groups == []


def test_the_same_pictures_under_other_names_are_the_same_data(make_folder):
    folders = [make_folder("first"), make_folder("second", trained_on="b")]
    for folder, prefix in zip(folders, ("here", "there"), strict=True):
        lines = [f"train,{prefix}{number}.png,door,,{number:064x}\n" for number in range(170)]
        measured = f"query,{prefix}.png,door,{'3' if prefix == 'here' else '4'},{'0' * 64}\n"
        (folder / "crops.csv").write_text("split,path,camera,identity,contents\n" + "".join(lines) + measured)
    comparison = Comparison.read(folders)
    assert comparison.letters == {"first": ("A", "A"), "second": ("A", "B")}
    assert comparison.notes[0].startswith("Measured on different queries and galleries")


def test_runs_without_identities_are_compared_by_what_needs_none(make_folder):
    folders = [make_folder(name, with_identities=False) for name in ("first", "second")]
    Judgement(2, AcrossCameras(170, 0.5, 0.25, 0.5, 4.0), AcrossCameras(170, 1.0, 0.5, 0.5, 4.0)).write(folders[0])
    found = cells(Comparison.read(folders).table())
    assert "mAP %" not in found["first"]
    assert found["first"]["match score, before"] == "0.50"
    assert found["first"]["match score, after"] == "1.00"
    assert found["second"]["match score, after"] == "-"
    assert found["second"]["stability"] == "0.70"


def test_rounds_are_told_by_round(make_folder):
    tables = dict(Comparison.read([make_folder("first"), make_folder("second", rounds=1, seed=1)]).tables_by_round())
    assert tables["mAP by round, %"] == [
        ("run", "round 0", "round 1", "round 2"),
        ("first", "10.0", "31.0", "32.0"),
        ("second", "11.0", "33.0", "-"),
    ]


def test_of_many_rounds_eight_are_shown_with_the_last(make_folder):
    tables = dict(Comparison.read([make_folder("first", rounds=40), make_folder("second")]).tables_by_round())
    headings = tables["mAP by round, %"][0]
    assert headings[1:4] == ("round 0", "round 1", "round 6")
    assert headings[-1] == "round 40"
    assert len(headings) <= 10


def test_runs_of_one_name_are_told_apart_by_their_folders(make_folder):
    comparison = Comparison.read([make_folder("a/run"), make_folder("b/run", seed=1)])
    assert [run.name for run in comparison.runs] == ["a/run", "b/run"]


def test_a_folder_of_seeds_stands_for_its_runs(make_folder, tmp_path):
    for seed in (0, 1):
        make_folder(f"three/seed-{seed}", seed=seed)
    values = {"seeds": [0, 1, 2], "finished": [0, 1], "settings": {"rounds": 2}, "source": {}, "asked": "x"}
    (tmp_path / "three" / "seeds.json").write_text(json.dumps(values))
    comparison = Comparison.read([tmp_path / "three"])
    assert [run.name for run in comparison.runs] == ["three/seed-0", "three/seed-1"]
    assert len(comparison.seed_groups) == 1
    assert "Two seeds tell little" in comparison.notes[-1]


def test_fewer_than_two_runs_or_one_named_twice_are_refused(make_folder, tmp_path):
    first = make_folder("first")
    with pytest.raises(RunFolderError, match="Two runs or more are compared, got 1"):
        Comparison.read([first])
    (tmp_path / "link").symlink_to(first)
    with pytest.raises(RunFolderError, match="is named twice"):
        Comparison.read([first, tmp_path / "link"])
    with pytest.raises(RunFolderError, match="is no run folder"):
        Comparison.read([first, tmp_path])


def test_a_copy_of_a_run_is_another_run(make_folder, tmp_path):
    first = make_folder("first")
    comparison = Comparison.read([first, shutil.copytree(first, tmp_path / "copy")])
    assert len(comparison.differing_settings()) == 1
    assert comparison.seed_groups == []  # of one seed


def test_text_values_and_page_tell_the_same(make_folder):
    comparison = Comparison.read([make_folder("first"), make_folder("<b>", seed=1, trained_on="b")])
    text, page = comparison_text(comparison), comparison_html(comparison)
    values = json.loads(json.dumps(comparison_values(comparison)))
    assert [run["numbers"]["mAP %"] for run in values["runs"]] == pytest.approx([32, 34])
    assert values["runs"][0]["by_round"]["mAP by round, %"] == {"0": 10, "1": 31, "2": 32}
    for shown in (text, page):
        assert all(number in shown for number in ("32.0", "34.0", "Settings that differ", "Trained on different"))
    assert max(map(len, text.split("\n\n", 1)[1].splitlines())) <= 110
    assert "<b>" not in page.replace("<b>Try:</b>", "")
    assert "&lt;b&gt;" in page
