"""docs/paper_map.md leads to names that files define, and to files that name the equation they hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = re.findall(
    r"^\| ([^|]+?) \| ([^|]+) \| `(src/[^`]+)` \| `([^`]+)` \| `(tests/[^`]+)` \|$",
    (ROOT / "docs" / "paper_map.md").read_text(),
    flags=re.MULTILINE,
)


def names_defined_in(code: str) -> set[str]:
    """Return the functions, classes and constants at the top of a file."""
    names: set[str] = set()
    for node in ast.parse((ROOT / code).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {found.id for target in targets for found in ast.walk(target) if isinstance(found, ast.Name)}
    return names


def test_every_row_of_the_page_is_read():
    lines = [line for line in (ROOT / "docs" / "paper_map.md").read_text().splitlines() if "`src/" in line]
    assert len(lines) == len(ROWS)


@pytest.mark.parametrize(("place", "what", "code", "name", "test"), ROWS)
def test_the_map_leads_to_a_name_in_a_file_and_to_a_test(place, what, code, name, test):
    assert name in names_defined_in(code)
    assert "def test_" in (ROOT / test).read_text()


EQUATIONS = [(place, code) for place, _, code, _, _ in ROWS if place.startswith("Eq.")]


@pytest.mark.parametrize(("place", "code"), EQUATIONS)
def test_the_file_of_an_equation_names_it_in_its_docstring(place, code):
    docstring = ast.get_docstring(ast.parse((ROOT / code).read_text()))
    numbers = re.findall(r"Eq\. ((?:\d+(?:, )?)+)", docstring or "")
    assert place.removeprefix("Eq. ") in {number for group in numbers for number in group.split(", ")}


def test_every_numbered_equation_that_computes_something_is_on_the_map():
    mapped = {place for place, *_ in ROWS}
    assert {f"Eq. {number}" for number in (1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12)} <= mapped


def test_equations_5_9_and_12_are_found_by_file_name():
    files = {place: Path(code).name for place, _, code, _, _ in ROWS}
    assert files["Eq. 5"] == "inter_camera.py"
    assert files["Eq. 9"] == "score_overlap.py"
    assert files["Eq. 12"] == "normalization.py"
