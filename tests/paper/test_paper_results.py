"""The paper's numbers are the paper's: a few looked up by hand, and what the tables share."""

import pytest

from iics.paper.paper_results import DUKE, MARKET, MSMT17, TABLE1, TABLE2, TABLE3, TABLE4, TABLE5, TABLE6


@pytest.mark.parametrize(
    ("row", "data", "mean_ap", "rank1"),
    [
        (TABLE1["stage 1"], MARKET, 45.0, 71.6),
        (TABLE1["stage 2, CNN similarity"], DUKE, 7.2, 16.7),
        (TABLE1["both, CNN similarity"], DUKE, 35.8, 54.2),
        (TABLE1["both, Eq. 9"], MARKET, 69.1, 88.2),
        (TABLE1["both, Eq. 5"], DUKE, 59.1, 76.9),
        (TABLE2["IBN"], DUKE, 35.4, 56.3),
        (TABLE2["IN"], MARKET, 59.6, 83.2),
        (TABLE2["AIBN, alpha fixed"], DUKE, 56.9, 75.2),
        (TABLE3[MARKET]["AIBN"], DUKE, 29.5, 49.5),
        (TABLE3[DUKE]["BN"], MARKET, 21.8, 48.9),
        (TABLE4["layers 1+2"], MARKET, 64.1, 86.2),
        (TABLE4["alpha shared by nobody"], MARKET, 72.4, 88.9),
        (TABLE4["alpha shared by a layer"], DUKE, 58.3, 76.4),
        (TABLE5["re-ranked (++)"], DUKE, 64.4, 80.0),
        (TABLE6["cosine (+)"], MSMT17, 18.6, 45.7),
        (TABLE6["re-ranked (++)"], MSMT17, 26.9, 56.4),
    ],
)
def test_a_cell_is_what_the_paper_prints(row, data, mean_ap, rank1):
    assert (row[data].mean_ap, row[data].rank1) == (mean_ap, rank1)


def test_ranks_5_and_10_are_what_the_paper_prints():
    assert (TABLE5["cosine (+)"][MARKET].rank5, TABLE5["cosine (+)"][MARKET].rank10) == (95.3, 96.9)
    assert (TABLE6["re-ranked (++)"][MSMT17].rank5, TABLE6["re-ranked (++)"][MSMT17].rank10) == (68.8, 73.4)


def test_the_full_method_with_cosine_has_the_same_numbers_in_every_table():
    for data in (MARKET, DUKE):
        rows = [TABLE1["both, Eq. 5"], TABLE2["AIBN"], TABLE4["layers 3+4"], TABLE5["cosine (+)"]]
        assert len({(row[data].mean_ap, row[data].rank1) for row in rows}) == 1
