"""The paper's own results (Tables 1 to 6), as printed there: its numbers, not ours.

They were measured by its authors, with ResNet-50 on Market-1501, DukeMTMC-reID and MSMT17. Rows are named as in
`iics.paper.variants`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MARKET, DUKE, MSMT17 = "Market-1501", "DukeMTMC-reID", "MSMT17"

WHOSE_NUMBERS = (
    "The paper's numbers are its authors', measured with ResNet-50 on whole Market-1501, DukeMTMC-reID or MSMT17; ours "
    "were measured as said above. Compare orders and differences rather than heights, unless data and preset are the "
    "paper's."
)


@dataclass(frozen=True)
class PaperScore:
    """A cell of a table, in percent; rank-5 and rank-10 are only given in Tables 5 and 6."""

    mean_ap: float
    rank1: float
    rank5: float | None = None
    rank10: float | None = None


PaperRow = Mapping[str, PaperScore]
"""Scores by the name of the data set that was tested on."""


def _row(market_map: float, market_rank1: float, duke_map: float, duke_rank1: float) -> PaperRow:
    return {MARKET: PaperScore(market_map, market_rank1), DUKE: PaperScore(duke_map, duke_rank1)}


_FULL = _row(72.1, 88.8, 59.1, 76.9)
_BATCH_NORM = _row(67.1, 85.5, 51.4, 71.3)

TABLE1: Mapping[str, PaperRow] = {
    "stage 1": _row(45.0, 71.6, 41.4, 62.9),
    "stage 2, CNN similarity": _row(26.6, 48.8, 7.2, 16.7),
    "both, CNN similarity": _row(55.1, 78.6, 35.8, 54.2),
    "both, Eq. 9": _row(69.1, 88.2, 57.0, 75.7),
    "both, Eq. 5": _FULL,
}

TABLE2: Mapping[str, PaperRow] = {
    "BN": _BATCH_NORM,
    "IBN": _row(59.8, 81.1, 35.4, 56.3),
    "IN": _row(59.6, 83.2, 53.0, 72.7),
    "AIBN, alpha fixed": _row(70.7, 88.0, 56.9, 75.2),
    "AIBN": _FULL,
}

TABLE3: Mapping[str, Mapping[str, PaperRow]] = {
    MARKET: {"BN": _row(79.9, 92.0, 22.4, 38.2), "AIBN": _row(80.0, 92.0, 29.5, 49.5)},
    DUKE: {"BN": _row(21.8, 48.9, 68.7, 83.9), "AIBN": _row(27.2, 54.5, 69.2, 84.8)},
}
"""By the data set that was trained on."""

TABLE4: Mapping[str, PaperRow] = {
    "nowhere": _BATCH_NORM,
    "all layers": _row(72.1, 88.7, 58.7, 77.1),
    "layers 1+2": _row(64.1, 86.2, 53.3, 73.2),
    "layer 4": _row(72.1, 88.5, 57.5, 76.1),
    "layers 2+3+4": _row(71.3, 88.7, 59.8, 77.4),
    "layers 3+4": _FULL,
    "alpha shared by nobody": _row(72.4, 88.9, 58.4, 76.2),
    "alpha shared by a bottleneck": _FULL,
    "alpha shared by a layer": _row(71.0, 88.3, 58.3, 76.4),
}

TABLE5: Mapping[str, PaperRow] = {
    "cosine (+)": {MARKET: PaperScore(72.1, 88.8, 95.3, 96.9), DUKE: PaperScore(59.1, 76.9, 86.1, 89.8)},
    "re-ranked (++)": {MARKET: PaperScore(72.9, 89.5, 95.2, 97.0), DUKE: PaperScore(64.4, 80.0, 89.0, 91.6)},
}

TABLE6: Mapping[str, PaperRow] = {
    "cosine (+)": {MSMT17: PaperScore(18.6, 45.7, 57.7, 62.8)},
    "re-ranked (++)": {MSMT17: PaperScore(26.9, 56.4, 68.8, 73.4)},
}

FIGURE4: Mapping[str, PaperRow] = {"0": TABLE1["both, CNN similarity"], "0.02": _FULL}
"""By mu; the other points of Fig. 4 are drawn and not printed."""
