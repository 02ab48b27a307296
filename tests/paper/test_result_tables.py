"""Tables hold our means beside the paper's numbers, and come out as Markdown, CSV and HTML."""

import csv
import io
import json
from dataclasses import replace
from typing import get_args

import pytest

from iics.paper.planned_runs import plan_rows
from iics.paper.result_tables import ResultRow, ResultTable, Score, collect
from iics.paper.run_store import RunStore
from iics.paper.study import Study
from iics.paper.table_files import to_csv, to_html, to_markdown, write_table
from iics.paper.variants import TargetName


@pytest.fixture
def study(people, lite0_settings):
    supervised = replace(lite0_settings, method="supervised")
    return Study("quick", lite0_settings, supervised, people, replace(people, name="elsewhere"))


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path)


@pytest.fixture
def finish(store):
    """Leave what a finished run would have left."""

    def write(run, **scores):
        (store.path / run.name).mkdir()
        record = {"round": run.settings.rounds, "seconds": {"stage1": 2.0}, "evaluation": scores}
        (store.path / run.name / "metrics.jsonl").write_text(json.dumps(record) + "\n")

    return write


@pytest.fixture
def table():
    rows = (
        ResultRow("both | Eq. 5 <", (Score((64.0, 65.0), 2), Score((79.0,), 1)), (72.1, None)),
        ResultRow("BN", (None, None), (67.1, 85.5), has_failed=True),
        ResultRow("IN", (None, None), (59.6, 83.2)),
    )
    return ResultTable(
        name="table9",
        title="Table 9: a & b",
        first_heading="",
        columns=("ours: mAP", "ours: rank-1"),
        paper_columns=("paper: mAP", "paper: rank-1"),
        rows=rows,
        notes=("Made of\nthree lines <here>.",),
    )


def test_a_score_is_a_mean_with_the_deviation_of_a_sample():
    score = Score((60.0, 62.0, 67.0), 3)
    assert (score.mean, score.deviation) == (63.0, pytest.approx(3.6056, abs=1e-4))
    assert str(score) == "63.0 ± 3.6 (3)"


def test_one_seed_has_no_deviation():
    assert Score((64.14,), 1).deviation is None
    assert str(Score((64.14,), 1)) == "64.1"


def test_a_score_says_when_seeds_are_missing():
    assert str(Score((64.14,), 2)) == "64.1 (1 of 2)"
    assert str(Score((60.0, 62.0), 3)) == "61.0 ± 1.4 (2 of 3)"


def test_ours_stand_beside_the_papers(study, store, finish):
    rows = plan_rows("table1", study, num_seeds=2)
    finish(rows[0].runs[0], mean_ap=0.40, rank1=0.60)
    finish(rows[0].runs[1], mean_ap=0.44, rank1=0.61)
    finish(rows[4].runs[1], mean_ap=0.70, rank1=0.80)
    table = collect("table1", rows, store, failures={}, notes=["note"], data_name="people")
    assert table.headings == [
        "",
        "ours: mAP",
        "ours: rank-1",
        "paper, Market-1501: mAP",
        "paper, Market-1501: rank-1",
        "paper, DukeMTMC-reID: mAP",
        "paper, DukeMTMC-reID: rank-1",
    ]
    assert table.rows[0].cells() == ["stage 1", "42.0 ± 2.8 (2)", "60.5 ± 0.7 (2)", "45.0", "71.6", "41.4", "62.9"]
    assert table.rows[1].cells() == ["stage 2, CNN similarity", "-", "-", "26.6", "48.8", "7.2", "16.7"]
    assert table.rows[4].cells()[1:3] == ["70.0 (1 of 2)", "80.0 (1 of 2)"]
    assert table.notes == ("note",)


def test_a_failed_run_is_shown_with_its_reason(study, store):
    rows = plan_rows("table2", study, num_seeds=1)
    failures = {rows[2].runs[0].name: "Out of luck."}
    table = collect("table2", rows, store, failures=failures, notes=[], data_name="people")
    assert table.rows[2].cells()[:3] == ["IN", "failed", "failed"]
    assert table.rows[1].cells()[:3] == ["IBN", "-", "-"]
    assert table.notes == ("Failed: IN, seed 0: Out of luck.",)


def test_an_unfinished_run_has_no_score(study, store, finish):
    run = plan_rows("table1", study, num_seeds=1)[0].runs[0]
    finish(run, mean_ap=0.4, rank1=0.6)
    file = store.folder(run) / "metrics.jsonl"
    file.write_text(file.read_text().replace('"round": 2', '"round": 1'))
    assert store.scores(run) is None


def test_table_3_shows_both_sides_beside_the_papers(study, store, finish):
    rows = plan_rows("table3", study, num_seeds=1)
    finish(rows[1].runs[0], mean_ap=0.5, rank1=0.6, other_mean_ap=0.3, other_rank1=0.4)
    table = collect("table3", rows, store, failures={}, notes=[], data_name="people")
    assert table.rows[1].cells() == ["people: AIBN", "50.0", "60.0", "30.0", "40.0", "80.0", "92.0", "29.5", "49.5"]
    assert table.rows[2].cells()[5:] == ["68.7", "83.9", "21.8", "48.9"]
    assert table.notes[-1].startswith("The paper's rows are those trained on Market-1501 (the first two)")


def test_table_3_trained_on_duke_first_has_the_papers_rows_in_that_order(study, store):
    rows = plan_rows("table3", study, num_seeds=1)
    table = collect("table3", rows, store, failures={}, notes=[], data_name="dukemtmc")
    assert table.rows[0].cells()[5:] == ["68.7", "83.9", "21.8", "48.9"]


def test_table_6_shows_four_metrics_beside_the_papers_on_msmt17(study, store, finish):
    rows = plan_rows("table6", study, num_seeds=1)
    finish(rows[1].runs[0], mean_ap=0.2, rank1=0.3, rank5=0.4, rank10=0.5)
    table = collect("table6", rows, store, failures={}, notes=[], data_name="msmt17")
    assert table.rows[1].cells() == ["re-ranked (++)", "20.0", "30.0", "40.0", "50.0", "26.9", "56.4", "68.8", "73.4"]


def test_figure_4_has_a_row_for_each_mu_and_the_papers_numbers_where_it_prints_them(study, store):
    paper_study = replace(study, settings=replace(study.settings, stage2=replace(study.settings.stage2, mu=0.02)))
    rows = plan_rows("figure4", paper_study, num_seeds=1)
    table = collect("figure4", rows, store, failures={}, notes=[], data_name="people")
    assert table.headings[0] == "mu"
    assert [row.label for row in table.rows if row.paper[0] is not None] == ["0", "0.02"]
    assert table.rows[0].cells()[3:] == ["55.1", "78.6", "35.8", "54.2"]


@pytest.mark.parametrize("target", get_args(TargetName))
def test_every_target_becomes_a_table_whose_rows_fit_its_headings(study, store, target):
    rows = plan_rows(target, study, num_seeds=1)
    table = collect(target, rows, store, failures={}, notes=[], data_name="people")
    assert {len(row.cells()) for row in table.rows} == {len(table.headings)}
    assert len(table.rows) == len(rows)


def test_markdown_has_a_row_a_line_and_keeps_pipes_and_line_breaks_out_of_it(table):
    assert to_markdown(table).splitlines() == [
        "## Table 9: a & b",
        "",
        "|  | ours: mAP | ours: rank-1 | paper: mAP | paper: rank-1 |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| both \\| Eq. 5 < | 64.5 ± 0.7 (2) | 79.0 | 72.1 | - |",
        "| BN | failed | failed | 67.1 | 85.5 |",
        "| IN | - | - | 59.6 | 83.2 |",
        "",
        "- Made of three lines <here>.",
    ]


def test_csv_holds_mean_deviation_and_seeds(table):
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert rows[0]["row"] == "both | Eq. 5 <"
    assert [rows[0][f"ours: mAP {what}"] for what in ("mean", "deviation", "seeds")] == ["64.500", "0.707", "2"]
    assert [rows[0][f"ours: rank-1 {what}"] for what in ("mean", "deviation", "seeds")] == ["79.000", "", "1"]
    assert [rows[1][f"ours: mAP {what}"] for what in ("mean", "deviation", "seeds")] == ["", "", "0"]
    assert (rows[0]["paper: mAP"], rows[0]["paper: rank-1"]) == ("72.1", "")


def test_html_is_one_file_and_escapes_names(table):
    page = to_html(table)
    assert "<h1>Table 9: a &amp; b</h1>" in page
    assert "<td>both | Eq. 5 &lt;</td><td>64.5 ± 0.7 (2)</td>" in page
    assert "<td class=paper>72.1</td>" in page
    assert "lines &lt;here&gt;." in page
    assert "http" not in page


def test_a_table_is_written_in_three_forms(table, tmp_path):
    files = write_table(table, tmp_path)
    assert [file.name for file in files] == ["table9.md", "table9.csv", "table9.html"]
    assert (tmp_path / "table9.html").read_text() == to_html(table)
