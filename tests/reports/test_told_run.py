import pytest

from iics.errors import RunFolderError
from iics.reports.told_run import ToldRun, term_of


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "first"
    place.mkdir()
    (place / "settings.json").write_text('{"rounds": 2}')
    (place / "data.json").write_text('{"name": "people"}')
    return place


def test_a_run_that_has_not_finished_a_round_can_be_read(folder):
    run = ToldRun.read(folder)
    assert (run.name, run.records, run.trained, run.stages, run.last_clusters()) == ("first", (), (), (), [])
    assert (run.progress, run.data_name, run.num_cameras) == ("round 0 of 2 (not finished)", "people", None)


def test_reading_leaves_the_files_of_a_run_at_work_alone(folder):
    (folder / ".metrics.jsonl.123.tmp").write_text("being written")
    ToldRun.read(folder)
    assert (folder / ".metrics.jsonl.123.tmp").exists()


@pytest.mark.parametrize("missing", ["settings.json", "data.json"])
def test_other_folders_are_refused(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(RunFolderError, match=f"first is no run folder: it has no {missing}"):
        ToldRun.read(folder)


def test_a_torn_line_is_named(folder):
    (folder / "metrics.jsonl").write_text('{"round": 0}\n{"round": 1, "sta')
    with pytest.raises(RunFolderError, match=r"first/metrics.jsonl, line 2, is no valid JSON"):
        ToldRun.read(folder)
    (folder / "metrics.jsonl").write_text("[1]\n")
    with pytest.raises(RunFolderError, match=r"first/metrics.jsonl, line 1, must hold names and values, got list"):
        ToldRun.read(folder)


def test_a_line_without_a_round_is_named(folder):
    (folder / "metrics.jsonl").write_text('{"round": 0}\n{"loss": 1}\n')
    with pytest.raises(RunFolderError, match=r"first/metrics.jsonl, line 2, names no round"):
        ToldRun.read(folder)


def test_all_files_are_read(folder):
    (folder / "metrics.jsonl").write_text('{"round": 0}\n{"round": 1}\n')
    run = ToldRun.read(folder)
    assert [record.number for record in run.trained] == [1]
    assert (run.settings, run.data) == ({"rounds": 2}, {"name": "people"})


def test_a_curve_skips_rounds_without_the_number(make_run):
    run = make_run({"round": 0}, {"round": 1, "stage2": {"loss": 0.5}}, {"round": 2, "stage2": {"loss": None}})
    curve = run.curve("loss", term_of("stage2", "loss"), scale=100)
    assert (curve.rounds, curve.values) == ((1,), (50.0,))


def test_stages_are_those_that_are_recorded(make_run, statistics):
    run = make_run(
        {"round": 0, "evaluation": {}},
        {"round": 1, "warm up": {"loss": 1.0}, "memory": {"pseudo_labels": statistics()}, "seconds": {"warm up": 1.0}},
    )
    assert run.stages == ("warm up", "memory")
    assert [(one.stage, one.in_cameras, one.where) for one in run.clusterings] == [("memory", False, "all cameras")]


def test_stages_with_clusters_of_one_kind_are_told_apart(make_run, statistics):
    labels = statistics()
    run = make_run(
        {
            "round": 1,
            "stage1": {"pseudo_labels": {"door": labels}},
            "stage2": {"pseudo_labels": labels},
            "memory": {"pseudo_labels": labels},
        }
    )
    assert [one.where for one in run.clusterings] == ["within a camera", "all cameras, stage 2", "all cameras, memory"]
    assert [found.where for found in run.last_clusters()] == [
        "all cameras, stage 2",
        "all cameras, memory",
        "camera door",
    ]


@pytest.mark.parametrize(
    ("settings", "data", "is_supervised"),
    [
        ({"method": "supervised"}, {}, True),
        ({"stages": "supervised"}, {}, True),  # of versions before methods had names
        ({"method": "another"}, {"identities": "0" * 16}, True),
        ({"method": "iics"}, {}, False),
    ],
)
def test_a_run_on_identities_is_known_by_its_data(make_run, settings, data, is_supervised):
    assert make_run(settings=settings, data=data).is_supervised == is_supervised


def test_cameras_without_crops_do_not_count(make_run):
    run = make_run(data={"crops_per_camera": {"door": 3, "gate": 0}})
    assert run.crops_per_camera == {"door": 3}
    assert make_run(data={}).crops_per_camera is None


def test_the_clusters_of_the_only_camera_are_those_of_all_crops(make_run, make_record):
    record = make_record(1)
    record["stage1"]["pseudo_labels"].pop("hall")
    record.pop("stage2")
    run = make_run(record, data={"num_crops": 85, "crops_per_camera": {"door": 85}})
    (one,) = run.over_all_cameras
    assert (one.where, one.number("num_clusters")(run.records[0])) == ("the only camera", 25)
    assert [(found.where, found.in_camera) for found in run.last_clusters()] == [("the only camera", False)]
    assert run.loss_of("stage1")[0] == "stage 1"


def test_a_loss_that_adds_cameras_up_is_told_for_each(make_run):
    run = make_run()
    (title, number_of), (title2, number_of2) = run.loss_of("stage1"), run.loss_of("stage2")
    assert (title, number_of(run.records[-1])) == ("stage 1, for each camera", 4 / 2 / 2)
    assert (title2, number_of2(run.records[-1])) == ("stage 2", 3 / 2)


def automatic(stage1="auto", stage2="auto"):
    return {"rounds": 2, "stage1": {"clusters": {"rule": stage1}}, "stage2": {"clusters": {"rule": stage2}}}


def with_clusters(make_record, statistics, *, in_cameras, across):
    record = make_record(1)
    record["stage1"]["pseudo_labels"] = {name: statistics(num_clusters=number) for name, number in in_cameras.items()}
    record["stage2"]["pseudo_labels"] = statistics(num_clusters=90, num_across_cameras=across)
    return record


@pytest.mark.parametrize(("across", "expected"), [(40, 40), (17, 30)])
def test_people_are_guessed_by_the_clusters_that_span_cameras_and_those_of_the_fullest_camera(
    make_run, make_record, statistics, across, expected
):
    record = with_clusters(make_record, statistics, in_cameras={"door": 12, "hall": 30}, across=across)
    assert make_run(record, settings=automatic()).estimated_people == expected


def test_a_fixed_number_within_cameras_says_nothing_about_people(make_run, make_record, statistics):
    record = with_clusters(make_record, statistics, in_cameras={"door": 600, "hall": 600}, across=17)
    assert make_run(record, settings=automatic(stage1="fixed")).estimated_people == 17


def test_people_are_not_guessed_by_a_fixed_number_of_another_method_or_before_a_round(make_run, make_record):
    assert make_run(make_record(1), settings=automatic(stage2="fixed")).estimated_people is None
    assert make_run(make_record(1), settings={"rounds": 1}).estimated_people is None
    assert make_run({"round": 0, "alpha": {}}, settings=automatic()).estimated_people is None
    assert make_run({"round": 1, "memory": {"loss": 1.0}}, settings=automatic()).estimated_people is None


def test_people_are_not_guessed_from_an_older_record_that_lacks_the_clusters_that_span_cameras(
    make_run, make_record, statistics
):
    record = with_clusters(make_record, statistics, in_cameras={"door": 12, "hall": 30}, across=40)
    del record["stage2"]["pseudo_labels"]["num_across_cameras"]
    assert make_run(record, settings=automatic()).estimated_people is None
