"""A picture of rankings: a query per row, then what it found, right and wrong answers marked.

In: crops of query and gallery and the `TopMatches` of a ranking. Out: one PIL image; the caller saves it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from iics.data.crops import CropSet, read_crop_bytes
from iics.errors import DataError, EvaluationError
from iics.evaluation.top_matches import TopMatches

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

WHITE, INK, PALE = (255, 255, 255), (45, 45, 45), (232, 232, 232)
# Told apart by colour-blind readers, and by the mark in the corner.
QUERY_FRAME, RIGHT_FRAME, WRONG_FRAME = (130, 130, 130), (0, 140, 80), (205, 45, 45)
_FRAME, _GAP, _MARGIN = 4, 10, 14


def ranked_contact_sheet(
    query: CropSet,
    gallery: CropSet,
    matches: TopMatches,
    *,
    query_indices: Sequence[int] | npt.NDArray[np.int64],
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
    line = _line_height(font)
    box = (crop_height // 2, crop_height)
    step_x = box[0] + 2 * _FRAME + _GAP
    step_y = box[1] + 2 * _FRAME + 2 * line + _GAP
    top = _MARGIN + line
    split = _GAP  # more room between the query and what it found
    width = 2 * _MARGIN + (num_matches + 1) * step_x - _GAP + split
    sheet = Image.new("RGB", (width, top + len(chosen) * step_y - _GAP + _MARGIN), WHITE)
    draw = ImageDraw.Draw(sheet)

    def left_of(column: int) -> int:
        return _MARGIN + column * step_x + (split if column else 0)

    for column, heading in enumerate(["query", *(str(k) for k in range(1, num_matches + 1))]):
        _centred_text(draw, heading, left_of(column), _MARGIN - 4, step_x - _GAP, font)
    with ExitStack() as stack:
        query_archive, gallery_archive = _opened_archive(query, stack), _opened_archive(gallery, stack)
        for row, q in enumerate(chosen):
            y = top + row * step_y
            crop = _read_crop(query, q, query_archive)
            _draw_cell(draw, sheet, crop, (left_of(0), y), box, QUERY_FRAME, [_camera(query, q)], font)
            for column in range(num_matches):
                g = int(matches.indices[q, column])
                if g < 0:
                    continue
                is_correct = bool(matches.is_correct[q, column])
                corner = (left_of(column + 1), y)
                captions = [_camera(gallery, g), f"{matches.similarities[q, column]:.2f}"]
                frame = RIGHT_FRAME if is_correct else WRONG_FRAME
                _draw_cell(draw, sheet, _read_crop(gallery, g, gallery_archive), corner, box, frame, captions, font)
                _draw_mark(sheet, corner, box, is_correct=is_correct)
    return sheet


def spread_queries(
    average_precision: npt.NDArray[np.float64], count: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
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
    query_indices: Sequence[int] | npt.NDArray[np.int64],
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


def _opened_archive(crops: CropSet, stack: ExitStack) -> zipfile.ZipFile | None:
    """Open the archive once for the whole sheet: its directory can list a hundred thousand files."""
    if crops.archive is None:
        return None
    try:
        return stack.enter_context(zipfile.ZipFile(crops.archive))
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"Cannot open {crops.archive}: {error}.") from error


def _read_crop(crops: CropSet, index: int, archive: zipfile.ZipFile | None) -> Image.Image:
    try:
        return Image.open(io.BytesIO(read_crop_bytes(crops, index, archive=archive))).convert("RGB")
    except OSError as error:  # PIL's UnidentifiedImageError is one
        raise DataError(f"Cannot decode {crops.label(index)}: {error}.") from error


def _camera(crops: CropSet, index: int) -> str:
    name = crops.camera_names[crops.camera_ids[index]]
    return f"camera {name}" if name.isdigit() else name


def _draw_cell(
    draw: ImageDraw.ImageDraw,
    sheet: Image.Image,
    crop: Image.Image,
    corner: tuple[int, int],
    box: tuple[int, int],
    frame: Colour,
    captions: list[str],
    font: Font,
) -> None:
    """Draw one framed crop, its shape kept, with its captions below."""
    (x, y), (width, height) = corner, box
    outer = (width + 2 * _FRAME, height + 2 * _FRAME)
    draw.rectangle((x, y, x + outer[0] - 1, y + outer[1] - 1), fill=PALE, outline=frame, width=_FRAME)
    scale = min(width / crop.width, height / crop.height)
    fitted = crop.resize(
        (max(1, round(crop.width * scale)), max(1, round(crop.height * scale))), Image.Resampling.BICUBIC
    )
    sheet.paste(fitted, (x + _FRAME + (width - fitted.width) // 2, y + _FRAME + (height - fitted.height) // 2))
    for number, caption in enumerate(captions):
        _centred_text(draw, caption, x, y + outer[1] + 1 + number * _line_height(font), outer[0], font)


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
    x, y = corner[0] + box[0] + 2 * _FRAME - size, corner[1]
    small = (size, size)
    sheet.paste(mark.resize(small, Image.Resampling.LANCZOS), (x, y), disc.resize(small, Image.Resampling.LANCZOS))


def _centred_text(draw: ImageDraw.ImageDraw, text: str, x: int, y: int, width: int, font: Font) -> None:
    """Write text centred in `width` pixels, its end cut off where it is too long."""
    kept, shown = len(text), text
    while kept > 1 and draw.textlength(shown, font=font) > width:
        kept -= 1
        shown = text[:kept] + ".."
    draw.text((x + width / 2, y), shown, fill=INK, font=font, anchor="ma")


def _line_height(font: Font) -> int:
    return round(font.getbbox("Ag")[3]) + 3
