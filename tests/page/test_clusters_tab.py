"""Pages of clusters are turned; why they cannot be is said."""

import pytest

from iics.errors import RunFolderError

pytest.importorskip("gradio", reason="the extra app is not installed")

from iics.page.clusters_tab import turned_page


class Clusters:
    """Stands for the clusters of a run with three pages in round 1; the table of round 2 is damaged."""

    rounds = (1, 2)

    def num_pages(self, number):
        if number == 2:
            raise RunFolderError("round-2.csv is damaged.")
        return 3

    def html(self, number, order, page):
        return f"{self.num_pages(number)} pages, {order}, {page}"


def turned(round_name, page, by):
    return turned_page(Clusters(), round_name, "largest first", page, by)


def test_pages_are_turned_as_far_as_there_are_any():
    assert turned("1", 2, 1) == (3, "3 pages, largest first, 3")
    assert turned("1", 3, 1) == (3, "3 pages, largest first, 3")
    assert turned("1", 1, -1) == (1, "3 pages, largest first, 1")


@pytest.mark.parametrize("by", [1, -1])
def test_a_damaged_round_is_said(by):
    number, shown = turned("2", 2, by)
    assert number == 2
    assert "round-2.csv is damaged." in shown
