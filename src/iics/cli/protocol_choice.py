"""The protocol that `iics evaluate` measures under: what may be combined, its result, and its numbers for JSON."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from iics.errors import EvaluationError, check_setting

if TYPE_CHECKING:
    from iics.arrays import DoubleArray
    from iics.crops import CropSet
    from iics.data_splits import DataSplits
    from iics.evaluation.camera_pairs import CameraPairs
    from iics.evaluation.metrics import RankingResult
    from iics.evaluation.ranked_results import EvaluatedModel
    from iics.evaluation.reranked_rows import Reranking
    from iics.evaluation.single_shot import SingleShotResult
    from iics.models.reid_model import ReidModel

logger = logging.getLogger(__name__)

RerankingForm = Literal["paper", "published", "camera-jaccard"]
"""As in `iics.similarity.reranking`, whose import would take a second that --help has not."""

ProtocolName = Literal[
    "market1501", "same-camera", "any-camera", "single-gallery-shot", "camera-pairs", "image-to-track"
]
_ONE_GALLERY = ("market1501", "same-camera", "any-camera")
"""The protocols of crops that are ranked in one gallery."""

DEFAULT_REPEATS = 10


@dataclass(frozen=True)
class ProtocolChoice:
    """What was asked for on the command line.

    Raises:
        SettingsError: If it does not go together.
    """

    protocol: ProtocolName
    is_reranked: bool
    repeats: int
    seed: int
    has_contact_sheet: bool
    form: RerankingForm = "paper"
    unknown: float = 0.0

    def __post_init__(self) -> None:
        is_drawn = self.protocol == "single-gallery-shot"
        check_setting(
            is_drawn or (self.repeats == DEFAULT_REPEATS and (self.seed == 0 or self.unknown > 0)),
            f"--repeats and --seed say how galleries are drawn; --protocol {self.protocol} draws none.",
        )
        check_setting(
            self.unknown == 0 or (self.protocol in _ONE_GALLERY and not self.is_reranked),
            "--unknown measures a threshold of the cosine of crops; leave out --rerank, and take --protocol "
            f"{', '.join(_ONE_GALLERY[:-1])} or {_ONE_GALLERY[-1]}.",
        )
        check_setting(
            not (is_drawn and self.is_reranked),
            "--rerank would see the crops that single-gallery-shot did not draw; leave one of the two out.",
        )
        check_setting(
            not self.has_contact_sheet or (self.protocol in _ONE_GALLERY and not self.is_reranked),
            "--contact-sheet shows rankings by cosine under market1501, same-camera or any-camera; leave it out here.",
        )

    def check_scorable(self, query: CropSet, gallery: CropSet) -> None:
        """Refuse crops on which nothing can be measured, before any feature is computed."""
        from iics.evaluation.protocol import OTHER_CAMERAS, PROTOCOLS
        from iics.evaluation.scored_crops import check_scorable

        check_scorable(query, gallery, PROTOCOLS.get(self.protocol, OTHER_CAMERAS))

    def check_memory(self, models: Sequence[ReidModel], query: CropSet, gallery: CropSet) -> None:
        """Refuse what will not fit into memory, before any feature is computed."""
        from iics.evaluation.scored_crops import check_memory

        check_memory(sum(model.num_features for model in models), query, gallery, self._reranking())

    def measure(self, evaluated: EvaluatedModel) -> RankingResult | SingleShotResult | CameraPairs:
        """Return the result; it prints itself."""
        from iics.evaluation import ranked_features

        crops = evaluated.query_features, evaluated.gallery_features, evaluated.query, evaluated.gallery
        if self.protocol == "single-gallery-shot":
            return ranked_features.rank_drawn_galleries(*crops, repeats=self.repeats, seed=self.seed)
        if self.protocol == "camera-pairs":
            return ranked_features.rank_camera_pairs(*crops, reranking=self._reranking())
        if self.protocol == "image-to-track":
            return ranked_features.rank_tracks(*crops, reranking=self._reranking())
        return ranked_features.rank_open_crops(*crops, protocol=self.protocol, reranking=self._reranking())

    def without_unknown(self, splits: DataSplits) -> DataSplits:
        """Return the data whose gallery lacks the individuals that are to be unknown; which is logged."""
        if self.unknown == 0:
            return splits
        from iics.evaluation.held_out import hold_out

        if splits.query is None or splits.gallery is None:
            raise EvaluationError(
                f"--unknown holds individuals out of a gallery, and {splits.name} has no query and gallery. "
                "--split-time makes both of crops with times."
            )
        held_out = hold_out(splits.query, splits.gallery, share=self.unknown, seed=self.seed)
        logger.warning("%s", held_out)
        return replace(splits, gallery=held_out.gallery)

    def warn_of_copies(self, evaluated: EvaluatedModel) -> None:
        """Warn if copies of queries count in the gallery."""
        from iics.evaluation.copied_queries import warn_of_copies
        from iics.evaluation.protocol import MARKET1501, PROTOCOLS
        from iics.evaluation.scored_crops import evaluation_labels, fitting_protocol

        crops = evaluated.query_features, evaluated.gallery_features, evaluated.query, evaluated.gallery
        labels = evaluation_labels(evaluated.query, evaluated.gallery)
        warn_of_copies(*crops, labels, fitting_protocol(PROTOCOLS.get(self.protocol, MARKET1501), labels))

    def check_nothing_ranked(self, crops: CropSet) -> None:
        """Refuse what only a ranking has, for crops that are not ranked.

        Raises:
            EvaluationError: If it is asked for.
        """
        if self.has_contact_sheet or self.is_reranked or self.protocol != "market1501":
            raise EvaluationError(
                f"{crops.name} has no query and gallery with identities, so nothing is ranked; leave out --protocol, "
                "--rerank and --contact-sheet."
            )

    def _reranking(self) -> Reranking | None:
        from iics.evaluation.reranked_rows import Reranking

        return Reranking(form=self.form) if self.is_reranked else None


def check_reranking_form(is_reranked: bool, form: RerankingForm) -> None:
    """Refuse a form of re-ranking where nothing is re-ranked.

    Raises:
        SettingsError: If it was asked for in vain.
    """
    check_setting(is_reranked or form == "paper", f"--rerank-form {form} says how --rerank ranks; add --rerank.")


def json_values(result: RankingResult | SingleShotResult | CameraPairs) -> dict[str, Any]:
    """Return any protocol's numbers as JSON knows them: fractions, null where there is none."""
    from iics.evaluation.metrics import RankingResult, numbers
    from iics.evaluation.single_shot import SingleShotResult

    if isinstance(result, RankingResult):
        return numbers(result) | ({} if result.open_set is None else {"open_set": result.open_set.values()})
    if isinstance(result, SingleShotResult):
        measured = {"mean_ap": result.average_precision} | {f"rank{k}": result.rank(k) for k in (1, 5, 10, 20)}
        values: dict[str, Any] = {}
        for name, (mean, deviation) in measured.items():
            values |= {name: mean, f"{name}_deviation": None if deviation != deviation else deviation}
        counts = {"num_queries": result.num_queries, "num_unmatched": result.num_unmatched}
        return values | {"repeats": result.repeats} | counts
    return {
        "cameras": list(result.cameras),
        "rank1": _with_gaps(result.rank1),
        "mean_ap": _with_gaps(result.mean_ap),
        "num_scored": result.num_scored.tolist(),
    }


def _with_gaps(matrix: DoubleArray) -> list[list[float | None]]:
    return [[None if value != value else value for value in row] for row in matrix.tolist()]
