import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from iics.errors import RunFolderError, WriteError
from iics.reports.camera_pairs_file import CameraPairMatrices
from iics.reports.pictures import run_figures
from iics.reports.report import report_html, write_report, write_run_figures
from iics.reports.told_run import ToldRun

HOSTILE = "<script>alert('x')</script>\"onload=\"$\\frac{ 門 \udcff"


class Page(HTMLParser):
    """What a browser would find: tags, addresses, headings and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.texts, self.alts = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        values = dict(attributes)
        self.addresses += [values[name] for name in ("src", "href", "srcset", "data", "action") if name in values]
        self.addresses += re.findall(r"url\(([^)]*)\)", values.get("style") or "")
        if tag == "img":
            self.alts.append(values["alt"])

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def picture():
    content = io.BytesIO()
    Image.new("RGB", (40, 20), "red").save(content, "PNG")
    return content.getvalue()


def pairs():
    matrix = np.array([[np.nan, 0.25], [0.5, np.nan]])
    return CameraPairMatrices(("door", "hall"), matrix, matrix)


def test_the_page_is_one_file_without_network_and_scripts(make_run):
    page = Page(report_html(make_run(), ranked_lists=picture(), camera_pairs=pairs()))
    assert page.addresses
    assert all(re.match(r"data:image/(svg\+xml|jpeg);base64,", address) for address in page.addresses)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    for address in page.addresses:
        content = base64.b64decode(address.partition(",")[2])
        if "svg" in address:
            assert not re.search(rb"(?:href|src)=\"(?!#|data:)", content)


def test_the_page_shows_the_run(make_run):
    page = Page(report_html(make_run(), ranked_lists=picture(), camera_pairs=pairs()))
    assert page.text.startswith("first - IICS run")
    assert "people train; training without identities, round 2 of 2." in page.text
    assert "mAP 10.0 → 32.0 %" in page.text
    assert "training time 2 min 20 s" in page.text
    assert "camera door 85 crops" in page.text
    assert "model.backbone resnet18 model.norm_stages -" in page.text
    assert "None of these was seen after 2 rounds: one giant cluster" in page.text
    assert page.alts == [
        "Accuracy by round",
        "Rank-1 by pair of cameras",
        "mAP by pair of cameras",
        "Clusters by round",
        "Sizes of clusters over all cameras",
        "Cameras within clusters",
        "Stability of clusters",
        "Agreement with identities, all cameras",
        "Agreement with identities, within a camera",
        *[f"Pairs by {what}, {moment}" for what in ("camera", "person") for moment in MOMENTS],
        "Loss by round",
        "Crops taken for their own label",
        "Alpha: 1 is batch, 0 instance normalisation",
        "Queries with their ten best matches, right ones ticked and wrong ones crossed.",
    ]


MOMENTS = ("before stage 1 of round 1", "before stage 2 of round 1", "before stage 2 of round 2")


def test_a_run_without_identities_shows_what_needs_none(make_run, make_record):
    records = [make_record(number, with_identities=False) for number in (1, 2)]
    page = Page(report_html(make_run(*records)))
    assert page.alts == [
        "Clusters by round",
        "Sizes of clusters over all cameras",
        "Cameras within clusters",
        "Stability of clusters",
        *[f"Pairs by camera, {moment}" for moment in MOMENTS],
        "Loss by round",
        "Crops taken for their own label",
        "Alpha: 1 is batch, 0 instance normalisation",
    ]
    assert "mAP" not in page.text.partition("Data")[0].replace("mAPs", "")


def test_one_round_is_enough(make_run, make_record):
    page = Page(report_html(make_run(make_record(1))))
    assert "Stability of clusters" not in page.alts
    assert "Pairs by camera, before stage 2 of round 1" in page.alts
    assert "round 1 of 2 (not finished)." in page.text


def test_a_run_before_its_first_round_has_a_page(make_run):
    page = Page(report_html(make_run(records=())))
    assert page.alts == []
    assert "No round is finished yet" in page.text


def test_a_supervised_run_has_a_page(make_run):
    records = [
        {"round": number, "alpha": {}, "evaluation": {}, "supervised": {"loss": 2 / number, "accuracy": 0.5}}
        for number in (1, 2)
    ]
    page = Page(report_html(make_run(*records, settings={"stages": "supervised", "rounds": 2})))
    assert page.alts == ["Loss by round", "Crops taken for their own label"]
    assert "supervised training on identities, round 2 of 2." in page.text


def test_records_of_older_versions_show_what_they_hold(make_run, make_record):
    records = [make_record(1), make_record(2)]
    for record in records:
        for stage in ("stage1", "stage2"):
            del record[stage]["similarity"], record[stage]["stability"]
        del record["stage2"]["pseudo_labels"]["num_across_cameras"], record["phases"], record["seconds"]
    page = Page(report_html(make_run(*records, data={"name": "people", "num_crops": 170})))
    assert "Cameras within clusters" in page.alts
    assert not [alt for alt in page.alts if alt.startswith(("Pairs", "Stability"))]


def test_names_are_text_and_never_code(make_run, make_record):
    record = make_record(1)
    record["stage1"]["pseudo_labels"] = {HOSTILE: record["stage1"]["pseudo_labels"]["door"] | {"largest_share": 0.9}}
    run = make_run(
        record,
        name=HOSTILE,
        data={"name": HOSTILE, "data_dir": HOSTILE, "num_crops": 85, "crops_per_camera": {HOSTILE: 85}},
        settings={"rounds": 1, "seed": 0, "model": {"weights": HOSTILE}},
    )
    page = Page(report_html(run, camera_pairs=replace(pairs(), cameras=(HOSTILE, "hall"))))
    assert "script" not in page.tags
    assert page.text.count("<script>alert('x')</script>\"onload=\"") >= 5


def test_a_warning_is_shown_with_what_to_try(make_run, make_record):
    record = make_record(1)
    record["stage2"]["pseudo_labels"] = record["stage2"]["pseudo_labels"] | {"largest_share": 0.9}
    text = Page(report_html(make_run(record))).text
    assert "One giant cluster In round 1 one cluster holds 90 % of the crops of all cameras." in text
    assert "Try: Look at that cluster in pseudo_labels/." in text
    assert "None of these was seen" not in text


def test_the_report_is_written_beside_the_run(tmp_path):
    (tmp_path / "settings.json").write_text('{"rounds": 1}')
    (tmp_path / "data.json").write_text('{"name": "a\\udcff"}')
    assert write_report(tmp_path) == tmp_path / "report.html"
    assert r"a\udcff" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert write_report(tmp_path, tmp_path / "other.html") == tmp_path / "other.html"
    with pytest.raises(WriteError, match=r"Cannot write .*missing/report.html"):
        write_report(tmp_path, tmp_path / "missing" / "report.html")


def test_a_damaged_picture_is_named(tmp_path):
    (tmp_path / "settings.json").write_text("{}")
    (tmp_path / "data.json").write_text("{}")
    (tmp_path / "contact_sheet.png").write_bytes(picture()[:50])
    with pytest.raises(RunFolderError, match=r"contact_sheet.png .*is no whole picture"):
        write_report(tmp_path)


def test_matrices_of_camera_pairs_may_hold_nothing(make_run):
    nothing = np.full((1, 1), np.nan)
    page = Page(report_html(make_run(), camera_pairs=CameraPairMatrices(("a",), nothing, nothing)))
    assert "mAP by pair of cameras" in page.alts


def test_rounds_without_numbers_are_left_out_of_the_table(make_run, make_record):
    text = Page(report_html(make_run({"round": 0, "alpha": {}, "evaluation": {}}, make_record(1)))).text
    table = text.partition("Numbers by round")[2].partition("Time")[0]
    assert "ARI, stage 2 1 31.0 50.0 60.0 70.0" in table  # the last heading, then round 1


@pytest.mark.slow
def test_every_picture_can_be_written_as_a_file(make_run, tmp_path, monkeypatch):
    run = make_run()
    monkeypatch.setattr(ToldRun, "read", lambda folder: run)
    pairs().write(tmp_path)
    files = write_run_figures(tmp_path, tmp_path / "figures")
    assert len({file.stem for file in files}) == len(run_figures(run, pairs()))
    assert {file.suffix for file in files} == {".svg", ".pdf", ".png"}
    assert {"accuracy-by-round", "rank-1-by-pair-of-cameras", "pairs-by-person-before-stage-2-of-round-1"} <= {
        file.stem for file in files
    }
    assert all(file.stat().st_size > 1000 for file in files)


def legends_of(run):
    """The curves of each picture that has some, by its title."""
    drawn = {figure.title: figure.figure.axes[0].get_legend_handles_labels()[1] for figure in run_figures(run)}
    return {title: names for title, names in drawn.items() if names}


def test_the_paper_s_stages_have_their_curves(make_run):
    legends = legends_of(make_run())
    assert legends["Loss by round"] == ["stage 1, for each camera", "stage 2", "stage 2, triplet"]
    assert legends["Crops taken for their own label"] == ["stage 2"]
    assert legends["Clusters by round"] == [
        "all cameras",
        "all cameras, of one crop",
        "within a camera, mean",
        "within a camera, of one crop",
    ]
    assert legends["Stability of clusters"] == ["all cameras", "within a camera, mean"]


def of_another_method(number, statistics):
    did = {"contrast": 0.5 / number, "loss": 1 / number, "accuracy": 0.5, "entropy": None, "num_steps": 3, "note": "x"}
    stability = None if number == 1 else {"adjusted_rand_index": 0.5}
    return {
        "round": number,
        "warm_up": {"loss": 2.0},
        "memory": did | {"pseudo_labels": statistics(), "stability": stability},
        "seconds": {"warm_up": 1.0, "memory": 2.0},
        "phases": {"warm_up_train": {"seconds": 1.0}, "memory_label_crops": {"seconds": 2.0}},
        "alpha": {},
        "evaluation": {},
    }


def test_any_method_s_stages_are_told_by_their_names(make_run, statistics):
    run = make_run(*(of_another_method(number, statistics) for number in (1, 2)), data={"num_crops": 85})
    legends = legends_of(run)
    assert legends["Loss by round"] == ["warm_up", "memory"]
    assert legends["Crops taken for their own label"] == ["memory"]
    assert legends["Other terms by round"] == ["memory, contrast"]  # entropy was never a number
    assert "Agreement with identities, all cameras" in legends
    text = Page(report_html(run)).text
    assert "loss, warm_up loss, memory clusters of one crop" in text
    assert "warm_up: train 2.0 s" in text
    assert "memory: label_crops 4.0 s" in text
    assert "clusters 25" in text


def test_the_page_guesses_the_number_of_people_where_clusters_are_automatic(make_run, make_record):
    automatic = {"rounds": 1, "stage1": {"clusters": {"rule": "auto"}}, "stage2": {"clusters": {"rule": "auto"}}}
    guess = "people, a guess without labels about"
    assert guess in Page(report_html(make_run(make_record(1), settings=automatic))).text
    assert guess not in Page(report_html(make_run(make_record(1)))).text


def test_open_set_figures_are_a_tile_at_the_smallest_share_that_can_be_told(make_run, make_record):
    record = make_record(1)
    assert "false claims" not in Page(report_html(make_run(record))).text
    record["evaluation"] |= {"open_set_area": 0.1, "open_set_missed_at_5": 0.25, "open_set_missed_at_10": 0.125}
    assert "missed, at most 5 % false claims 25.0 %" in Page(report_html(make_run(record))).text


def test_a_method_of_one_stage_has_one_loss(make_run):
    run = make_run({"round": 1, "memory": {"loss": 0.25}}, settings={"rounds": 1}, data={})
    assert "Numbers by round round loss 1 0.25" in Page(report_html(run)).text


def test_more_terms_than_colours_take_more_than_one_picture(make_run):
    terms = {f"term {number}": float(number) for number in range(9)}
    legends = legends_of(make_run({"round": 1, "memory": terms}))
    assert [len(legends[title]) for title in ("Other terms by round", "Other terms by round (2)")] == [7, 2]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"mean_ap": 0.5}),
        ({"mean_ap": 0.5}, {}),
        ({"rank1": 0.5}, {"mean_ap": 0.5, "rank5": 0.75}),
        ({"score": 3}, {"mean_ap": "high", "rank1": {"door": 0.5}, "num_queries": "many"}),
        ({"mean_ap": None}, {"mean_ap": [0.1, 0.2], "rank1": True, "note": "text"}),
        (None, None),
    ],
)
def test_whatever_a_caller_measured_there_is_a_report_of_what_there_is(make_run, make_record, before, after):
    run = make_run(
        {"round": 0, "evaluation": before}, *(make_record(number) | {"evaluation": after} for number in (1, 2))
    )
    page = Page(report_html(run))
    assert ("Accuracy by round" in " ".join(page.alts)) == (
        any(isinstance((values or {}).get("mean_ap"), float) for values in (before, after))
    )
