"""A picture of rankings: a query per row, then what it found, right and wrong answers marked.

In: crops of query and gallery and the `TopMatches` of a ranking. Out: one PIL image; the caller saves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from iics.arrays import DoubleArray, IntArray
from iics.crops import CropSet
from iics.errors import DataError, EvaluationError
from iics.evaluation.top_matches import TopMatches
from iics.pixels.crop_images import CropImages
from iics.pixels.crop_reader import CropReader, ReadError
from iics.pixels.drawing import FRAME, GAP, MARGIN, WHITE, camera_caption, centred_text, draw_cell, line_height

# Told apart by colour-blind readers, and by the mark in the corner.
QUERY_FRAME, RIGHT_FRAME, WRONG_FRAME = (130, 130, 130), (0, 140, 80), (205, 45, 45)


def ranked_contact_sheet(
    query: CropSet,
    gallery: CropSet,
    matches: TopMatches,
    *,
    query_indices: Sequence[int] | IntArray,
    crop_height: int = 128,
) -> Image.Image:
    """Draw chosen queries with their best matches, framed green and ticked if right, red and crossed if wrong.

    Args:
        query: The queries that were ranked.
        gallery: The gallery they were ranked against.
        matches: First matches of every query; index -1 leaves its place empty.
        query_indices: Which queries to show, from top to bottom.
        crop_height: Height of a crop in pixels, at least 64; crops are fitted into boxes half as wide.

    Raises:
        EvaluationError: If matches and crops do not belong together, or an index is out of range.
        DataError: If a crop cannot be read.
    """
    chosen = _checked_choice(query, gallery, matches, query_indices, crop_height)
    num_matches = matches.indices.shape[1]
    font = ImageFont.load_default(max(11, crop_height // 10))
    line = line_height(font)
    box = (crop_height // 2, crop_height)
    step_x = box[0] + 2 * FRAME + GAP
    step_y = box[1] + 2 * FRAME + 2 * line + GAP
    top = MARGIN + line
    split = GAP  # more room between the query and what it found
    width = 2 * MARGIN + (num_matches + 1) * step_x - GAP + split
    sheet = Image.new("RGB", (width, top + len(chosen) * step_y - GAP + MARGIN), WHITE)
    draw = ImageDraw.Draw(sheet)

    def left_of(column: int) -> int:
        return MARGIN + column * step_x + (split if column else 0)

    for column, heading in enumerate(["query", *(str(k) for k in range(1, num_matches + 1))]):
        centred_text(draw, heading, left_of(column), MARGIN - 4, step_x - GAP, font)
    with ExitStack() as stack:
        # Opened once for the whole sheet: an archive's directory can list a hundred thousand files.
        query_images = CropImages(query, stack.enter_context(CropReader(query)))
        gallery_images = CropImages(gallery, stack.enter_context(CropReader(gallery)))
        for row, q in enumerate(chosen):
            y = top + row * step_y
            crop = _read_crop(query, q, query_images)
            draw_cell(draw, sheet, crop, (left_of(0), y), box, QUERY_FRAME, [_camera(query, q)], font)
            for column in range(num_matches):
                g = int(matches.indices[q, column])
                if g < 0:
                    continue
                is_correct = bool(matches.is_correct[q, column])
                corner = (left_of(column + 1), y)
                captions = [_camera(gallery, g), f"{matches.similarities[q, column]:.2f}"]
                frame = RIGHT_FRAME if is_correct else WRONG_FRAME
                draw_cell(draw, sheet, _read_crop(gallery, g, gallery_images), corner, box, frame, captions, font)
                _draw_mark(sheet, corner, box, is_correct=is_correct)
    return sheet


def spread_queries(average_precision: DoubleArray, count: int, generator: np.random.Generator) -> IntArray:
    """Return queries spread evenly from the best average precision to the worst, instead of the prettiest ones.

    Args:
        average_precision: One value per query; those with NaN are never chosen. Shape (n_query,).
        count: How many to choose: one at random from each of `count` equal parts of the ordered queries.
        generator: Source of the choice, also among equal values.

    Raises:
        EvaluationError: If `count` is below 1 or above the number of scored queries.
    """
    scored = np.flatnonzero(~np.isnan(average_precision))
    if not 1 <= count <= len(scored):
        raise EvaluationError(f"{count} queries were asked for; choose between 1 and the {len(scored)} scored ones.")
    shuffled = generator.permutation(scored)
    ordered = shuffled[np.argsort(-average_precision[shuffled], kind="stable")]
    return np.array([generator.choice(part) for part in np.array_split(ordered, count)], dtype=np.int64)


def _checked_choice(
    query: CropSet,
    gallery: CropSet,
    matches: TopMatches,
    query_indices: Sequence[int] | IntArray,
    crop_height: int,
) -> list[int]:
    chosen = [int(q) for q in query_indices]
    if not chosen:
        raise EvaluationError("query_indices is empty; choose at least one query to show.")
    if crop_height < 64:
        raise EvaluationError(f"crop_height must be at least 64 to stay legible, got {crop_height}.")
    if len(matches.indices) != len(query):
        raise EvaluationError(f"The matches are of {len(matches.indices)} queries, but {query.name} has {len(query)}.")
    if matches.indices.max() >= len(gallery):
        raise EvaluationError(
            f"The matches point to gallery crop {matches.indices.max()}, but {gallery.name} has {len(gallery)}."
        )
    outside = [q for q in chosen if not 0 <= q < len(query)]
    if outside:
        raise EvaluationError(f"Query {outside[0]} was asked for, but {query.name} has 0 to {len(query) - 1}.")
    return chosen


def _read_crop(crops: CropSet, index: int, images: CropImages) -> Image.Image:
    try:
        return images[index].image
    except ReadError:
        raise
    except DataError as error:
        raise DataError(f"Cannot decode {crops.label(index)}: {error}.") from error


def _camera(crops: CropSet, index: int) -> str:
    return camera_caption(crops.camera_names[crops.camera_ids[index]])


def _draw_mark(sheet: Image.Image, corner: tuple[int, int], box: tuple[int, int], *, is_correct: bool) -> None:
    """Draw a tick or a cross on a disc in the upper right corner; four times too large, then reduced: smooth."""
    size = max(16, box[1] // 7)
    big = 4 * size
    disc = Image.new("L", (big, big), 0)
    ImageDraw.Draw(disc).ellipse((0, 0, big - 1, big - 1), fill=255)
    mark = Image.new("RGB", (big, big), RIGHT_FRAME if is_correct else WRONG_FRAME)
    tick, cross = [[(0.26, 0.52), (0.44, 0.70), (0.76, 0.32)]], [[(0.3, 0.3), (0.7, 0.7)], [(0.3, 0.7), (0.7, 0.3)]]
    for stroke in tick if is_correct else cross:
        points = [(big * x, big * y) for x, y in stroke]
        ImageDraw.Draw(mark).line(points, fill=WHITE, width=big // 8, joint="curve")
    x, y = corner[0] + box[0] + 2 * FRAME - size, corner[1]
    small = (size, size)
    sheet.paste(mark.resize(small, Image.Resampling.LANCZOS), (x, y), disc.resize(small, Image.Resampling.LANCZOS))
