"""A model's features of query and gallery, computed once for numbers and pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from iics.arrays import FloatArray, Pixels
from iics.config import Centre
from iics.crops import CropSet
from iics.evaluation.centred_search import centre_search
from iics.evaluation.contact_sheet import ranked_contact_sheet, spread_queries
from iics.evaluation.metrics import RankingResult
from iics.evaluation.ranked_features import rank_crops
from iics.evaluation.scored_crops import evaluation_labels, fitting_protocol, matching_protocol
from iics.evaluation.top_matches import top_matches
from iics.models.camera_means import CameraMeans
from iics.models.centre_choice import CentreChoice
from iics.models.reid_model import ReidModel
from iics.pixels.picture_file import write_picture

_QUERIES_SHOWN, _MATCHES_SHOWN = 8, 10


@dataclass(frozen=True, eq=False)
class EvaluatedModel:
    """What a model made of query and gallery.

    Attributes:
        query: Crops searched for.
        gallery: Crops searched in.
        query_features: Shape (len(query), d).
        gallery_features: Shape (len(gallery), d).
    """

    query: CropSet
    gallery: CropSet
    query_features: FloatArray
    gallery_features: FloatArray

    @classmethod
    def embed(
        cls,
        model: ReidModel,
        query: CropSet,
        gallery: CropSet,
        *,
        batch_size: int,
        pixels: tuple[Pixels | None, Pixels | None] = (None, None),
        progress: Callable[[int], None] | None = None,
    ) -> EvaluatedModel:
        """Compute features, `batch_size` crops at once.

        Args:
            model: Any model.
            query: Crops searched for.
            gallery: Crops searched in.
            batch_size: Crops forwarded at once.
            pixels: Of query and gallery, in the size of the model's input; None where they are to be decoded.
            progress: Called after each batch with the number of crops in it.
        """
        of_query, of_gallery = (
            model.embed(crops if decoded is None else decoded, batch_size=batch_size, progress=progress)
            for crops, decoded in zip((query, gallery), pixels, strict=True)
        )
        return cls(query, gallery, of_query, of_gallery)

    def centred(self, means: CameraMeans | None, centre: Centre) -> tuple[EvaluatedModel, CentreChoice]:
        """Return the same, centred by camera if that is wanted or found to help, and whether it is.

        Raises:
            WeightsError: If features are to be centred and there are no means.
        """
        found = centre_search(
            self.query_features, self.gallery_features, self.query, self.gallery, means=means, centre=centre
        )
        return EvaluatedModel(self.query, self.gallery, found.query_features, found.gallery_features), found.choice

    @cached_property
    def result(self) -> RankingResult:
        """The metrics by cosine under the Market-1501 protocol; of one camera, within it."""
        return rank_crops(self.query_features, self.gallery_features, self.query, self.gallery)

    def write_contact_sheet(self, path: Path, *, protocol: str = "market1501") -> None:
        """Write a picture of ranked results, from the best query to the worst.

        Raises:
            WriteError: If the picture cannot be written there.
        """
        crops = self.query_features, self.gallery_features, self.query, self.gallery
        result = self.result if protocol == "market1501" else rank_crops(*crops, protocol=protocol)
        count = min(_QUERIES_SHOWN, result.num_scored)
        chosen = spread_queries(result.average_precision, count, np.random.default_rng(0))
        labels = evaluation_labels(self.query, self.gallery)
        matching = fitting_protocol(matching_protocol(protocol), labels)
        matches = top_matches(
            self.query_features, self.gallery_features, labels, protocol=matching, num_matches=_MATCHES_SHOWN
        )
        sheet = ranked_contact_sheet(self.query, self.gallery, matches, query_indices=chosen)
        write_picture(sheet, path)
