"""A model, its crops, the pairs that people are asked about (drawn or gone on with), and what follows from answers."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from iics.arrays import FloatArray
from iics.atomic import write_atomically
from iics.crops import CropSet, one_spelling
from iics.errors import DataError
from iics.evaluation.answer_calibration import answer_thresholds
from iics.evaluation.answer_estimates import RankOne, rank_one
from iics.evaluation.answers import AskedPair
from iics.evaluation.drawn_pairs import draw_pairs
from iics.evaluation.marks import Mark, Verdict, marks_table
from iics.gallery.crop_rows import CropKeys
from iics.models.match_thresholds import MatchThresholds
from iics.models.score_meaning import summary_lines
from iics.page.answers_book import AnswersBook
from iics.pixels.digests import Digests
from iics.reports.calibrated_model import store_thresholds

_VERDICTS: Mapping[str, Verdict] = {"yes": "right", "no": "wrong"}


@dataclass(frozen=True)
class LabelResult:
    """What answers say of a model; prints itself.

    Attributes:
        rank_one: Estimate of rank-1 across cameras, or within the only one.
        match_thresholds: As they are written into the model file.
        num_pairs: Different pairs drawn; one that was drawn twice is asked about once.
        num_answered: Those answered yes, no or unsure.
    """

    rank_one: RankOne
    match_thresholds: MatchThresholds
    num_pairs: int
    num_answered: int

    def __str__(self) -> str:
        left = self.num_pairs - self.num_answered
        more = [f"{left} of {self.num_pairs} pairs are not answered yet; each makes the intervals narrower."]
        lines = summary_lines(self.match_thresholds, are_own_crops=True)
        return "\n".join([str(self.rank_one), *(more if left else []), "", *lines])


def counted(pairs: Sequence[AskedPair]) -> tuple[int, int]:
    """Return how many different pairs there are, and how many of them are answered; one drawn twice is one."""
    return len({pair.crops for pair in pairs}), len({pair.crops for pair in pairs if pair.answer})


class Labelling:
    """Pairs of crops to ask about, and what is written from the answers.

    Attributes:
        book: The table of pairs and answers.
        crops: What they are drawn from.
        model_file: Gets the thresholds.
        marks_file: Gets the answers to best matches, as marks.

    Args:
        book: Of the model.
        crops: All with their features.
        features: L2-normalised. Shape (n, d).
        digests: Hash of each crop's file and box. Length n.
        model: Fingerprint of the model of the features.
        model_file: The file of it.
        marks_file: Where marks are written.
        is_trained_on: Whether it was trained on these crops; None if not known.
    """

    def __init__(
        self,
        book: AnswersBook,
        crops: CropSet,
        features: FloatArray,
        *,
        digests: Digests,
        model: str,
        model_file: Path,
        marks_file: Path,
        is_trained_on: bool | None,
    ) -> None:
        self.book, self.crops, self.model_file, self.marks_file = book, crops, model_file, marks_file
        self._features, self._model, self._is_trained_on = features, model, is_trained_on
        self._contents = [digest.hex() for digest in digests]
        self._places = crop_places(crops)
        self._at = {place: index for index, place in enumerate(self._places)}

    def draw(self, *, num_pairs: int, seed: int) -> None:
        """Draw pairs and write their table.

        Raises:
            EvaluationError: If the crops are too few.
            WriteError: If it cannot be written.
        """
        drawn = draw_pairs(self._features, self.crops, num_pairs=num_pairs, seed=seed)
        cameras = [self.crops.camera_names[camera] for camera in self.crops.camera_ids]
        self.book.draw(
            AskedPair(
                pair=number,
                answer="",
                first_camera=cameras[pair.first],
                first=self._places[pair.first],
                second_camera=cameras[pair.second],
                second=self._places[pair.second],
                similarity=round(pair.similarity, 6),
                kind=pair.kind,
                slice=pair.slice,
                slice_size=pair.slice_size,
                answered_at="",
                first_contents=self._contents[pair.first],
                second_contents=self._contents[pair.second],
                model=self._model,
            )
            for number, pair in enumerate(drawn, start=1)
        )

    def check(self, pairs: Sequence[AskedPair], file: Path) -> None:
        """Refuse pairs of another model, or of crops that are not there as they were.

        Raises:
            DataError: If they are; the first is named.
        """
        begin_anew = f"Put it back, or move {file.name} away and begin anew."
        for pair in pairs:
            if pair.model != self._model:
                raise DataError(
                    f"The pairs in {file} were drawn for model {pair.model}, and {self.model_file} is model "
                    f"{self._model}: similarities of different models do not compare. Move {file.name} away and begin "
                    "anew."
                )
            for place, contents in ((pair.first, pair.first_contents), (pair.second, pair.second_contents)):
                if place not in self._at:
                    raise DataError(
                        f"{file}, pair {pair.pair}: {place} is not among the {len(self.crops)} crops of "
                        f"{self.crops.name}. {begin_anew}"
                    )
                if self._contents[self._at[place]] != contents:
                    raise DataError(
                        f"{file}, pair {pair.pair}: {place} holds another picture than when pairs were drawn. "
                        f"{begin_anew}"
                    )

    def indices(self, pair: AskedPair) -> tuple[int, int]:
        """Return the two crops of a pair that was checked."""
        return self._at[pair.first], self._at[pair.second]

    def finish(self, pairs: Sequence[AskedPair]) -> LabelResult:
        """Write thresholds into the model file, marks beside the table, and return all that answers say.

        Raises:
            EvaluationError: If answers are too few, or contradict each other; nothing is written then.
            WriteError: If a file cannot be written.
        """
        thresholds = answer_thresholds(
            pairs, self._features, self.crops, data=self.crops.name, is_trained_on=self._is_trained_on
        )
        num_pairs, num_answered = counted(pairs)
        result = LabelResult(rank_one(pairs), thresholds, num_pairs, num_answered)
        write_atomically(self.marks_file, marks_table(self._marks(pairs)))
        store_thresholds(self.model_file, thresholds)
        return result

    def _marks(self, pairs: Sequence[AskedPair]) -> list[Mark]:
        """Return what was said of best matches; the other pairs are no matches of a search."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        ids = CropKeys.of(self.crops).ids
        return [
            Mark(
                marked_at=pair.answered_at or now,
                query=pair.first_contents,
                query_name=Path(pair.first).name,
                crop_id=ids[self._at[pair.second]],
                path=self.crops.label(self._at[pair.second]),
                camera=pair.second_camera,
                verdict=_VERDICTS[pair.answer],
                rank=1,
                similarity=pair.similarity,
                model=pair.model,
            )
            for pair in pairs
            if pair.kind == "best match" and pair.answer in _VERDICTS
        ]


def crop_places(crops: CropSet) -> list[str]:
    """Return where each crop lies below the folder that all have in common, with its box if it has one."""
    paths = [Path(path) for path in one_spelling(crops.paths)]
    root = os.path.commonpath([path.parent for path in paths])
    boxes = [""] * len(crops)
    if crops.boxes is not None:
        boxes = [f"[{width}x{height}+{left}+{top}]" for left, top, width, height in crops.boxes.tolist()]
    return [path.relative_to(root).as_posix() + box for path, box in zip(paths, boxes, strict=True)]
