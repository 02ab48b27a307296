"""Tables come back as they were written, whatever their cells hold."""

import csv
import io

import pytest

from iics.csv_text import csv_text


@pytest.mark.parametrize("cell", ["a", "", "a,b", 'a"b', "a\nb", "a\rb", "a\r\nb", "\r", "\udcff", "é\0"])
def test_a_cell_comes_back(cell):
    rows = [["path", "camera"], [cell, "x"], ["y", cell]]
    assert list(csv.reader(io.StringIO(csv_text(rows), newline=""), strict=True)) == rows


def test_lines_end_in_a_line_feed_and_numbers_are_plain():
    assert csv_text([("a", "b"), (1, 0.5)]) == "a,b\n1,0.5\n"
