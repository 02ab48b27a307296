"""No text of a table is a formula, and each comes back as it was."""

import csv
import io

import pytest

from iics.evaluation.formula_cells import plain_cell, safe_cell

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
