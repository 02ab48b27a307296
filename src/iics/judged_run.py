"""A trained run looks at its own crops: matches across cameras before and after training, and pictures of both.

Nothing is learned. At most 1,500 crops, drawn at random, go through the trained model and through the one that training
started from; up to 720 more, of 60 clusters, through the trained one. Pixels are those that training had. Of one
camera, clusters alone are shown. Where identities are known, one more picture shows what the last labels got wrong;
nothing else uses them.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from iics.arrays import FloatArray, IntArray, Pixels
from iics.atomic import write_atomically
from iics.config import Settings
from iics.crops import BOX_COLUMNS, CropSet
from iics.errors import IicsError
from iics.evaluation.across_cameras import MOST_CROPS, across_cameras, matches_across
from iics.models.reid_model import ReidModel
from iics.reports.crop_choice import NUM_MATCHES, cluster_rows, drawn_clusters, match_rows
from iics.reports.crop_sheets import crop_sheet
from iics.reports.judgement_file import CLUSTER_SHEET, JUDGEMENT, MATCH_SHEET, MISTAKE_SHEET, Judgement
from iics.reports.label_mistakes import mistake_rows
from iics.runs.rounds import TrainingRun, starting_model
from iics.runs.run_files import read_bytes
from iics.runs.run_folder import RunFolder

logger = logging.getLogger(__name__)

_QUALITY = 85
_IN_CAMERAS, _COLUMN = "stage1_cluster", "_cluster"


def judge(run: TrainingRun, crops: CropSet) -> None:
    """Write judgement.json and the pictures of crops into the folder of a finished run, unless they are there.

    Args:
        run: The run.
        crops: What it was trained on.

    Raises:
        IicsError: If crops cannot be read, or something cannot be written.
    """
    if (run.folder / JUDGEMENT).exists():
        return
    settings = RunFolder.open(run.folder).settings()
    generator = np.random.default_rng(settings.seed)
    if crops.num_cameras < 2:
        if not (run.folder / CLUSTER_SHEET).exists():
            _draw_clusters(run, crops, settings, generator)
        return
    sample = np.arange(len(crops))
    if len(crops) > MOST_CROPS:
        sample = np.sort(generator.choice(len(crops), MOST_CROPS, replace=False))
    looked_at = crops.subset(sample).without_identities()
    logger.info("Looking at %d crops for the report, by the trained model and by the one before training.", len(sample))
    after = _features(run.model, looked_at, run, settings)
    start = _start(settings)
    before = None if start is None else _features(start, looked_at, run, settings)
    found = across_cameras(after, looked_at)
    if found is None:
        return
    matches = [
        None if features is None else matches_across(features, looked_at.camera_ids, num_matches=NUM_MATCHES)
        for features in (after, before)
    ]
    if matches[0] is not None and (rows := match_rows(matches[0], matches[1])):
        _write_picture(crop_sheet(looked_at, rows), run.folder / MATCH_SHEET)
    _draw_clusters(run, crops, settings, generator)
    number = int(run.history[-1]["round"])
    Judgement(number, None if before is None else across_cameras(before, looked_at), found).write(run.folder)


def _draw_clusters(run: TrainingRun, crops: CropSet, settings: Settings, generator: np.random.Generator) -> None:
    labels = labels_of(run.folder, int(run.history[-1]["round"]), crops)
    if labels is None:
        return
    if crops.identity_ids is not None and (rows := mistake_rows(labels, crops.identity_ids, crops.camera_ids)):
        _write_picture(crop_sheet(crops, rows), run.folder / MISTAKE_SHEET)
    drawn = drawn_clusters(labels, generator)
    if not len(drawn):
        return
    features = _features(run.model, crops.subset(drawn), run, settings)
    rows = cluster_rows(features, drawn, labels, crops.camera_ids)
    _write_picture(crop_sheet(crops.without_identities(), rows), run.folder / CLUSTER_SHEET)


def _features(model: ReidModel, crops: CropSet, run: TrainingRun, settings: Settings) -> FloatArray:
    """Return the features of crops, which are decoded only where training had no pixels of them."""
    pixels = _decoded(run, crops) if model.header.interpolation == "bicubic" else None
    return model.embed(crops if pixels is None else pixels, batch_size=settings.inference_batch_size)


def _decoded(run: TrainingRun, crops: CropSet) -> Pixels | None:
    if run.decoded is None:
        return None
    known, pixels = run.decoded
    at = {place: number for number, place in enumerate(_places(known))}
    rows = [at.get(place) for place in _places(crops)]
    return None if None in rows else pixels[np.array(rows, dtype=np.int64)]


def _places(crops: CropSet) -> Iterator[tuple[object, ...]]:
    """Yield the path of each crop, and its box if it has one."""
    boxes: list[list[int]] = [[]] * len(crops) if crops.boxes is None else crops.boxes.tolist()
    return ((path.as_posix(), *box) for path, box in zip(crops.paths, boxes, strict=True))


def labels_of(folder: Path, round_number: int, crops: CropSet) -> IntArray | None:
    """Return the clusters over all crops that a round found last; None if it has none, or other crops.

    Args:
        folder: The run folder.
        round_number: Which round, from 1.
        crops: In the order of the labels.

    Raises:
        RunFolderError: If the table cannot be read.
    """
    file = folder / "pseudo_labels" / f"round-{round_number:03d}.csv"
    if not file.exists():
        return None
    text = read_bytes(file).decode(errors="surrogateescape")  # names of files need not be UTF-8
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    skipped = _IN_CAMERAS if crops.num_cameras > 1 else None
    columns = [name for name in (rows[0] if rows else ()) if name.endswith(_COLUMN) and name != skipped]
    if not columns:
        return None
    box_columns = () if crops.boxes is None else BOX_COLUMNS
    known: dict[tuple[object, ...], int] = {
        (row["path"], *(int(row[name]) for name in box_columns)): int(row[columns[-1]]) for row in rows
    }
    found = [known.get(place) for place in _places(crops)]
    return None if None in found else np.array(found, dtype=np.int64)


def _start(settings: Settings) -> ReidModel | None:
    """Return the model that training started from; None if its weights are not there any more."""
    try:
        return starting_model(settings)
    except IicsError as error:
        logger.warning("The report will not show what was before training: %s", error)
        return None


def _write_picture(picture: Image.Image, file: Path) -> None:
    content = io.BytesIO()
    picture.save(content, format="JPEG", quality=_QUALITY)
    write_atomically(file, content.getvalue())
