"""docs/paper_map.md leads to files that exist and that name the equation they hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = re.findall(
    r"^\| ([^|]+?) \| [^|]+ \| `(src/[^`]+)` \| `(tests/[^`]+)` \|$",
    (ROOT / "docs" / "paper_map.md").read_text(),
    flags=re.MULTILINE,
)


@pytest.mark.parametrize(("place", "code", "test"), ROWS)
def test_the_map_leads_to_code_and_a_test(place, code, test):
    assert (ROOT / code).is_file()
    assert "def test_" in (ROOT / test).read_text()


@pytest.mark.parametrize(("place", "code", "test"), [row for row in ROWS if row[0].startswith("Eq.")])
def test_the_file_of_an_equation_names_it_in_its_docstring(place, code, test):
    docstring = ast.get_docstring(ast.parse((ROOT / code).read_text()))
    numbers = re.findall(r"Eq\. ((?:\d+(?:, )?)+)", docstring or "")
    assert place.removeprefix("Eq. ") in {number for group in numbers for number in group.split(", ")}


def test_every_numbered_equation_that_computes_something_is_on_the_map():
    mapped = {place for place, _, _ in ROWS}
    assert {f"Eq. {number}" for number in (1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12)} <= mapped


def test_equations_5_9_and_12_are_found_by_file_name():
    files = {place: Path(code).name for place, code, _ in ROWS}
    assert files["Eq. 5"] == "inter_camera.py"
    assert files["Eq. 9"] == "score_overlap.py"
    assert files["Eq. 12"] == "normalization.py"
