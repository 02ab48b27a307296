"""Several models as one, by the mean of their distances: features of each in, features of all side by side out.

The mean of the models' cosines is the cosine of their features side by side: with f_i of length 1, the row
(f_1, ..., f_m) / sqrt(m) has length 1, and the product of two such rows is (f_1.g_1 + ... + f_m.g_m) / m. So whatever
ranks one model's features by blocks of rows, re-ranked or not, ranks several: nothing else knows of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iics.arrays import DoubleArray, FloatArray
from iics.errors import EvaluationError
from iics.evaluation.metrics import RankingResult, numbers
from iics.evaluation.spread import SCORES, Row, Spread, aligned, in_percent, spread_rows
from iics.models.fingerprint import model_fingerprint
from iics.models.reid_model import ReidModel

MEAN_DISTANCE = "mean distance"


class SideBySide:
    """Features of several models, filled in model by model: memory is that of all of them once.

    Args:
        num_crops: Of each set of crops, e.g. of query and gallery.
        models: Whose features will come, in this order.
    """

    def __init__(self, num_crops: Sequence[int], models: Sequence[ReidModel]) -> None:
        width = sum(model.num_features for model in models)
        self._rows = [np.empty((count, width), np.float32) for count in num_crops]
        self._num_models, self._filled = 0, 0

    def add(self, *features: FloatArray) -> None:
        """Take the next model's features, L2-normalised, of each set of crops."""
        width = features[0].shape[1]
        for rows, own in zip(self._rows, features, strict=True):
            rows[:, self._filled : self._filled + width] = own
        self._filled += width
        self._num_models += 1

    def as_one(self) -> list[FloatArray]:
        """Return the rows of each set of crops, L2-normalised; their cosine is the mean of the models' cosines."""
        for rows in self._rows:
            rows *= np.float32(1 / np.sqrt(self._num_models))
        return self._rows


@dataclass(frozen=True, eq=False)
class EnsembleResult:
    """How well several models rank together, and each alone; prints itself as a table.

    Attributes:
        ensemble: Ranked by the mean of the models' distances.
        models: Each ranked by its own distances.
        names: What to call them.
    """

    ensemble: RankingResult
    models: tuple[RankingResult, ...]
    names: tuple[str, ...]

    @property
    def mean_ap(self) -> float:
        """Of the ensemble."""
        return self.ensemble.mean_ap

    @property
    def cmc(self) -> DoubleArray:
        """Of the ensemble. Shape (max_rank,)."""
        return self.ensemble.cmc

    def spread(self, score: str) -> Spread:
        """Return how far a score spreads over the models, as fractions, e.g. "mean_ap" or "rank1"."""
        return Spread(tuple(numbers(result)[score] for result in self.models))

    def __str__(self) -> str:
        each = {name: numbers(result) for name, result in zip(self.names, self.models, strict=True)}
        counts = f"queries scored {self.ensemble.num_scored}, without match {self.ensemble.num_unmatched}"
        return f"{ensemble_table(each, numbers(self.ensemble))}\n{counts}"


def ensemble_table(each: Mapping[str, Mapping[str, float]], ensemble: Mapping[str, float]) -> str:
    """Return a table in percent: each model, how far they spread, and all of them by their mean distance.

    Args:
        each: Scores of each model as fractions, by its name.
        ensemble: Scores by the mean distance.
    """
    names = [name for name in SCORES if name in ensemble]

    def row(label: str, scores: Mapping[str, float]) -> Row:
        return (label, *(in_percent(100 * scores[name]) for name in names))

    columns = [[100 * scores[name] for scores in each.values()] for name in names]
    return aligned(
        [
            ("%", *(SCORES[name] for name in names)),
            *(row(label, scores) for label, scores in each.items()),
            *(spread_rows(columns) if len(each) > 1 else []),
            row(MEAN_DISTANCE, ensemble),
        ]
    )


def check_different(models: Sequence[ReidModel], names: Sequence[str]) -> None:
    """Refuse no model, and a model that is there twice, which would count double.

    Raises:
        EvaluationError: If there are none, or two hold the same weights.
    """
    if not models:
        raise EvaluationError("No model is given; name at least one.")
    first: dict[str, str] = {}
    for model, name in zip(models, names, strict=True):
        fingerprint = model_fingerprint(model)
        if fingerprint in first:
            raise EvaluationError(
                f"{first[fingerprint]} and {name} are the same model: their weights are equal. It would count double; "
                "leave one out."
            )
        first[fingerprint] = name
