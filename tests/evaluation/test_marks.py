"""The table of marks comes back as it was written, and damage is named."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from iics.atomic import write_atomically
from iics.errors import DataError
from iics.evaluation.marks import MARK_COLUMNS, Mark, marks_table, plain_cell, read_marks, safe_cell

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=",
    '=HYPERLINK("http://a.example")',
    "'=1",
    "''@a",
]
MARK = Mark(
    "2026-03-01T08:00:00+00:00", "ab12", "q.jpg", "c1", "cameras/Büro, 3/1.jpg", 'a "b"', "right", 3, 0.75, "m1"
)


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_text_and_comes_back(text):
    line = io.StringIO()
    csv.writer(line).writerow([safe_cell(text)])
    (cell,) = next(csv.reader(io.StringIO(line.getvalue(), newline="")))
    assert cell == f"'{text}"
    assert plain_cell(cell) == text


@pytest.mark.parametrize("text", ["", "a=b", "Büro", "'", "'a'", " =1", "cameras/-1.jpg", "1-1"])
def test_other_texts_stay_as_they_are(text):
    assert safe_cell(text) == plain_cell(text) == text


def test_a_table_reads_back_whatever_names_are(tmp_path):
    file = tmp_path / "marks.csv"
    marks = (MARK, replace(MARK, crop_id="c2", camera="two\nlines", verdict="wrong"))
    file.write_text(marks_table(marks), encoding="utf-8")
    assert read_marks(file) == marks


@pytest.mark.parametrize(
    "name",
    ["a\rb", "a\r\nb", "\r", "a,\n", "=1+1", "-a", "+a", "@a", "\t", "'=1", "''", "\udcff.jpg", '"', "x" * 131072],
)
def test_a_name_of_any_characters_reads_back(tmp_path, name):
    marks = (replace(MARK, query_name=name), replace(MARK, path=name))
    write_atomically(tmp_path / "marks.csv", marks_table(marks))
    assert read_marks(tmp_path / "marks.csv") == marks


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@a", "\t=1", "\r=1"])
def test_no_name_is_a_formula_to_a_spreadsheet(name):
    table = marks_table([replace(MARK, query_name=name, path=name, camera=name)])
    row = list(csv.reader(io.StringIO(table, newline="")))[1]
    assert [cell for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r")] == []
    assert row.count(f"'{name}") == 3


def test_a_number_stays_a_number():
    assert ",-0.5," in marks_table([replace(MARK, similarity=-0.5)])


def test_a_table_with_the_line_ends_of_windows_is_read(tmp_path):
    (tmp_path / "marks.csv").write_bytes(marks_table([MARK]).replace("\n", "\r\n").encode())
    assert read_marks(tmp_path / "marks.csv") == (MARK,)


@pytest.mark.parametrize(
    ("name", "complaint"), [("x" * 131073, "has 131073 characters"), ("\ud800", "cannot be written")]
)
def test_a_field_that_could_not_be_read_again_is_refused(name, complaint):
    with pytest.raises(DataError, match=f"The query_name of a mark.*{complaint}"):
        marks_table([replace(MARK, query_name=name)])


def test_a_table_has_a_line_a_mark():
    assert marks_table([MARK, MARK]).count("\n") == 3


def test_an_empty_table_holds_no_marks(tmp_path):
    (tmp_path / "marks.csv").write_text(marks_table([]))
    assert read_marks(tmp_path / "marks.csv") == ()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"Cannot read marks from .*none\.csv"):
        read_marks(tmp_path / "none.csv")


@pytest.mark.parametrize("text", ["", "path,camera\n", "\x00\x01"])
def test_another_table_is_refused(tmp_path, text):
    (tmp_path / "marks.csv").write_text(text)
    with pytest.raises(DataError, match="no table of marks: its first line must be marked_at,query,"):
        read_marks(tmp_path / "marks.csv")


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("verdict", "maybe", "verdict 'maybe' is neither right nor wrong"),
        ("rank", "0", "rank '0' is not a number from 1"),
        ("similarity", "nan", "similarity 'nan' is not a finite number"),
        ("similarity", "high", "could not convert"),
        ("marked_at", "yesterday", "Invalid isoformat string"),
        (
            "marked_at",
            "2206-03-01T08:00:00+00:00",
            "marked_at 2206-03-01T08:00:00.00:00 lies outside of the years 1960",
        ),
    ],
)
def test_a_damaged_line_is_named(tmp_path, column, value, complaint):
    row = {**{name: getattr(MARK, name) for name in MARK_COLUMNS}, "camera": "a", "path": "p", column: value}
    (tmp_path / "marks.csv").write_text(
        f"{','.join(MARK_COLUMNS)}\n{','.join(str(row[name]) for name in MARK_COLUMNS)}\n"
    )
    with pytest.raises(DataError, match=rf"marks\.csv, line 2: .*{complaint}"):
        read_marks(tmp_path / "marks.csv")


def test_a_torn_line_is_named(tmp_path):
    (tmp_path / "marks.csv").write_text(marks_table([MARK])[:-30])
    with pytest.raises(DataError, match="line 2 has 6 fields, a mark has 11"):
        read_marks(tmp_path / "marks.csv")


def test_a_line_that_a_disk_changed_is_named_and_one_that_was_changed_by_hand_is_read(tmp_path):
    file, table = tmp_path / "marks.csv", marks_table([replace(MARK, crop_id="c2"), MARK])
    changed = table.replace(",3,0.75,", ",3,0.76,")
    file.write_text(changed)
    with pytest.raises(DataError, match=r"marks\.csv, line 2 is not as iics app wrote it\. .* empty its check\.$"):
        read_marks(file)
    header, *lines = changed.splitlines()
    file.write_text("\n".join([header, *(line.rpartition(",")[0] + "," for line in lines)]))
    assert [mark.similarity for mark in read_marks(file)] == [0.76, 0.76]


def test_a_table_of_an_older_version_has_no_checks_and_is_read(tmp_path):
    lines = [line.rpartition(",")[0] for line in marks_table([MARK]).splitlines()]
    (tmp_path / "marks.csv").write_text("\n".join(lines))
    assert read_marks(tmp_path / "marks.csv") == (MARK,)
