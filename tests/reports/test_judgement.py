"""judgement.json, advice, and what the report makes of both."""

import io
import json
from dataclasses import replace

import pytest
from PIL import Image

from iics.errors import RunFolderError
from iics.evaluation.across_cameras import AcrossCameras
from iics.reports.advice import advice_of
from iics.reports.judgement_file import JUDGEMENT, Judgement
from iics.reports.report import JudgedCrops, report_html


def found(score):
    return AcrossCameras(1000, score, score / 2, 0.5, 4.0)


def picture():
    content = io.BytesIO()
    Image.new("RGB", (40, 20), "red").save(content, "JPEG")
    return content.getvalue()


def titles(run, judgement):
    return [one.title for one in advice_of(run, judgement)]


@pytest.fixture
def unmeasured(make_run, make_record):
    """A run without identities, of two rounds, on crops enough."""
    run = make_run(make_record(1, with_identities=False), make_record(2, with_identities=False))
    return replace(run, data=run.data | {"num_crops": 1700})


@pytest.mark.parametrize("before", [None, found(0.5)])
def test_a_judgement_is_read_as_it_was_written(tmp_path, before):
    written = Judgement(4, before, found(0.75))
    written.write(tmp_path)
    assert Judgement.read(tmp_path) == written


def test_a_run_that_was_not_judged_has_no_judgement(tmp_path):
    assert Judgement.read(tmp_path) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"round": True}, "round must be a whole number"),
        ({"after": None}, "after must hold"),
        ({"after": {"agreement": 1}}, "after must hold"),
        ({"before": {"agreement": "high"}}, "before must hold"),
    ],
)
def test_a_damaged_judgement_is_named(tmp_path, change, message):
    Judgement(4, found(0.5), found(0.75)).write(tmp_path)
    values = json.loads((tmp_path / JUDGEMENT).read_text())
    (tmp_path / JUDGEMENT).write_text(json.dumps(values | change))
    with pytest.raises(RunFolderError, match=message):
        Judgement.read(tmp_path)


def test_a_score_that_rose_little_is_told_of(unmeasured):
    (first, *_) = advice_of(unmeasured, Judgement(2, found(0.5), found(0.52)))
    assert first.title == "Training did little for matches across cameras"
    assert first.finding == "The match score was 0.50 before and is 0.52 after round 2, of 1,000 crops."
    assert "--rounds 4" in first.advice
    assert "Matches across cameras got worse" in titles(unmeasured, Judgement(2, found(0.5), found(0.4)))


def test_a_score_that_rose_needs_no_advice(unmeasured):
    for judgement in (Judgement(2, found(0.5), found(0.6)), Judgement(2, None, found(0.6))):
        assert not any("atches across cameras" in title for title in titles(unmeasured, judgement))


def test_clusters_that_still_change_ask_for_more_rounds(unmeasured):
    assert "Clusters still change from round to round" in titles(unmeasured, None)
    unfinished = replace(unmeasured, settings={**unmeasured.settings, "rounds": 9})
    assert "Clusters still change from round to round" not in titles(unfinished, None)


def test_one_round_is_told_to_say_little(make_run, make_record):
    run = make_run(make_record(1, with_identities=False))
    once = replace(run, settings={**run.settings, "rounds": 1}, data=run.data | {"num_crops": 1700})
    assert "One round says little" in titles(once, None)


def test_only_runs_without_identities_are_sent_to_label(unmeasured, make_run):
    title = "How often the first answer is right is not known"
    assert title in titles(unmeasured, None)
    assert title not in titles(make_run(), None)


def test_the_page_shows_matches_before_and_after_advice_and_crops(unmeasured):
    sheets = {"Clusters of the last round": ("Each row is a cluster.", picture())}
    page = report_html(unmeasured, judged=JudgedCrops(Judgement(2, found(0.5), found(0.75)), sheets))
    for text in ("before training", "after round 2", "0.50", "0.75", "Clusters of the last round", "iics label RUN"):
        assert text in page
    assert "data:image/jpeg" in page


def test_the_page_of_a_run_that_was_not_judged_says_so(unmeasured):
    assert "Matches across cameras are judged, and crops shown, when training ends." in report_html(unmeasured)


def test_a_damaged_picture_of_crops_is_named(unmeasured):
    broken = JudgedCrops(None, {"Clusters of the last round": ("", picture()[:100])})
    with pytest.raises(RunFolderError, match="Clusters of the last round of the run is no whole picture"):
        report_html(unmeasured, judged=broken)


def test_few_crops_are_told_of_instead_of_longer_training(unmeasured):
    def of(num_crops):
        told = replace(unmeasured, data=unmeasured.data | {"num_crops": num_crops})
        return advice_of(told, Judgement(2, found(0.5), found(0.52)))

    few = of(499)
    assert [one.title for one in few[:1]] == ["Too few crops to learn from"]
    assert few[0].finding.startswith("There are 499.")
    assert not any("--rounds" in one.advice for one in few)
    assert of(500)[0].title == "Training did little for matches across cameras"
