"""How far one number spreads over several models, e.g. seeds of one training; numbers in, mean and deviation out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SCORES = {"mean_ap": "mAP", "rank1": "rank-1", "rank5": "rank-5", "rank10": "rank-10", "mean_inp": "mINP"}
"""What is told of each model, by the name it is recorded under."""

Row = tuple[str, ...]


@dataclass(frozen=True)
class Spread:
    """One number of several models.

    Attributes:
        values: One of each model; at least one.
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("A spread needs at least one value, got none.")

    @property
    def mean(self) -> float:
        """Mean over the models."""
        return sum(self.values) / len(self.values)

    @property
    def minimum(self) -> float:
        """The lowest."""
        return min(self.values)

    @property
    def maximum(self) -> float:
        """The highest."""
        return max(self.values)

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the sample (n - 1); None for one model."""
        n = len(self.values)
        return None if n < 2 else math.sqrt(sum((value - self.mean) ** 2 for value in self.values) / (n - 1))


def spread_rows(columns: Sequence[Sequence[float | None]]) -> list[Row]:
    """Return the rows below a table of models: mean, standard deviation, minimum and maximum of each column.

    Args:
        columns: A number of each model in percent, None where a model has none. At least two models.

    Returns:
        Label and cells. A column without two numbers has none of them.
    """
    found = [[value for value in column if value is not None] for column in columns]
    spreads = [Spread(tuple(values)) if len(values) > 1 else None for values in found]
    numbers: dict[str, list[float | None]] = {
        "mean": [None if spread is None else spread.mean for spread in spreads],
        "standard deviation": [None if spread is None else spread.deviation for spread in spreads],
        "minimum": [None if spread is None else spread.minimum for spread in spreads],
        "maximum": [None if spread is None else spread.maximum for spread in spreads],
    }
    return [(name, *map(in_percent, found)) for name, found in numbers.items()]


def in_percent(value: float | None) -> str:
    """Return a percentage as a cell of a table: 64.1, and - where there is none."""
    return "-" if value is None else f"{value:.1f}"


def aligned(rows: Sequence[Row]) -> str:
    """Return rows of cells as lines of text, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
