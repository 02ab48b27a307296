"""Crops -> gallery, in batches; each is written before the next begins, and known crops are skipped."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from iics.arrays import FloatArray
from iics.crops import CropSet
from iics.errors import GalleryError
from iics.gallery.crop_rows import CropKeys
from iics.gallery.gallery import Gallery
from iics.gallery.schema import FEATURE_FIELD, ID_FIELD, STORED_FIELDS
from iics.gallery.stored_values import Row
from iics.models.extraction_memory import check_extraction_fits
from iics.models.reid_model import ReidModel
from iics.pixels.crop_images import CropImages, ReadCrop
from iics.pixels.crop_reader import CropReader, ReadError
from iics.pixels.images import checked_num_threads, decode_each, resized

CROPS_PER_WRITE = 256
"""Crops that are embedded and written at once: what a crash can lose."""
CROPS_PER_FLUSH = 4096
"""Crops written between flushes: a folder's database searches unflushed ones slowly, and a server counts flushes."""


@dataclass(frozen=True)
class IndexResult:
    """What became of the crops that were to be indexed.

    Attributes:
        num_new: Crops that were not in the gallery.
        num_changed: Known places with another picture, which was embedded again.
        num_updated: Known crops with another camera, time, tracklet or identity, which was stored.
        num_known: Known crops without a change.
        failures: One "place (reason)" for each crop that cannot be read, decoded or stored as it is called.
    """

    num_new: int = 0
    num_changed: int = 0
    num_updated: int = 0
    num_known: int = 0
    failures: tuple[str, ...] = ()

    def __add__(self, other: IndexResult) -> IndexResult:
        """Return what became of both."""
        return IndexResult(
            self.num_new + other.num_new,
            self.num_changed + other.num_changed,
            self.num_updated + other.num_updated,
            self.num_known + other.num_known,
            self.failures + other.failures,
        )


def index_crops(
    gallery: Gallery,
    model: ReidModel,
    crops: CropSet,
    *,
    batch_size: int = 128,
    progress: Callable[[int], None] | None = None,
) -> IndexResult:
    """Put crops into a gallery; those that are in it already are not embedded again.

    After any interruption, also a kill, the same call continues: at most `CROPS_PER_WRITE` crops are embedded twice,
    and none is stored twice.

    Args:
        gallery: Where to put them.
        model: The gallery's.
        crops: With camera and, where known, time, tracklet and identity.
        batch_size: Crops that go through the network at once.
        progress: Called with the number of crops just done.

    Raises:
        GalleryError: If the model is another one than the gallery's, or the database fails.
        DataError: If an archive cannot be opened.
    """
    gallery.check_model(model)
    keys = CropKeys.of(crops)
    result, unflushed = IndexResult(), 0
    with CropReader(crops) as reader, ThreadPoolExecutor(checked_num_threads(None)) as pool:
        batches = _Batches(gallery, model, keys, reader, pool, batch_size)
        for start in range(0, len(crops), CROPS_PER_WRITE):
            indices = range(start, min(start + CROPS_PER_WRITE, len(crops)))
            done = batches.index(indices)
            result += done
            unflushed += done.num_new + done.num_changed + done.num_updated
            # Every write survives a kill without this; the flush makes searches fast.
            if unflushed >= CROPS_PER_FLUSH:
                gallery.flush()
                unflushed = 0
            if progress is not None:
                progress(len(indices))
    if unflushed:
        gallery.flush()
    return result


def check_index_fits(model: ReidModel, num_crops: int, *, batch_size: int) -> None:
    """Refuse batches that do not fit into memory; see `check_extraction_fits`."""
    check_extraction_fits(model, min(num_crops, CROPS_PER_WRITE), batch_size=batch_size)


@dataclass(frozen=True)
class _Batches:
    """What batches of crops are indexed with."""

    gallery: Gallery
    model: ReidModel
    keys: CropKeys
    reader: CropReader
    pool: ThreadPoolExecutor
    batch_size: int

    def index(self, indices: range) -> IndexResult:
        """Put some of the crops into the gallery, all in one write."""
        rows, unread = self._rows(indices)
        stored = self.gallery.rows_by_id([row[ID_FIELD] for row in rows.values()])
        known: list[int] = []
        updated: list[int] = []
        wanted: list[int] = []
        for index, row in rows.items():
            before = stored.get(row[ID_FIELD])
            if before is None or row["digest"] != before["digest"]:
                wanted.append(index)
            else:
                # First complete the row, then compare: what the new data does not know is no change.
                _keep_what_was_known(row, before)
                (known if _is_same(row, before) else updated).append(index)
        decoded, features, undecoded = self._embed(wanted)
        if decoded:
            self.gallery.write([rows[index] for index in decoded], features)
        self._update([rows[index] for index in updated])
        num_new = sum(self.keys.ids[index] not in stored for index in decoded)
        return IndexResult(num_new, len(decoded) - num_new, len(updated), len(known), unread + undecoded)

    def _update(self, rows: list[Row]) -> None:
        """Store what is known of crops anew, with the features they have."""
        stored = self.gallery.rows_by_id([row[ID_FIELD] for row in rows], with_features=True)
        rows = [row for row in rows if row[ID_FIELD] in stored]  # one may have been forgotten just now
        if rows:
            features = [stored[row[ID_FIELD]][FEATURE_FIELD] for row in rows]
            self.gallery.write(rows, np.array(features, dtype=np.float32))

    def _rows(self, indices: range) -> tuple[dict[int, Row], tuple[str, ...]]:
        """Return what is to be stored of each crop by index, and those that cannot be read or stored."""
        images = CropImages(self.keys.crops, self.reader)
        rows: dict[int, Row] = {}
        failures = []
        for index in indices:
            label = self.keys.crops.label(index)
            try:
                rows[index] = self.keys.row(index, images[index].digest)
            except ReadError as error:
                failures.append(f"{label} (cannot be read: {error.__cause__})")
            except GalleryError as error:
                failures.append(f"{label!r} ({error})")
        return rows, tuple(failures)

    def _embed(self, indices: list[int]) -> tuple[list[int], FloatArray, tuple[str, ...]]:
        """Return which crops could be decoded, their features, and the others."""
        header = self.model.header
        pixels = np.empty((len(indices), header.height, header.width, 3), dtype=np.uint8)
        is_decoded = np.zeros(len(indices), dtype=np.bool_)

        def keep(place: int, crop: ReadCrop) -> None:
            pixels[place] = resized(
                crop.image,
                height=header.height,
                width=header.width,
                interpolation=header.interpolation,
                letterbox=header.letterbox,
            )
            is_decoded[place] = True

        failures = decode_each(self.keys.crops, indices, keep, reader=self.reader, pool=self.pool)
        if not is_decoded.any():
            return [], np.empty((0, self.gallery.dimension), np.float32), failures
        features = self.model.embed(pixels[is_decoded], batch_size=self.batch_size)
        return [index for index, decoded in zip(indices, is_decoded, strict=True) if decoded], features, failures


def _keep_what_was_known(row: Row, stored: Row) -> None:
    """Keep the stored value of a crop if the new data does not know it."""
    row.update({field: stored[field] for field in ("time", "tracklet", "identity") if row[field] is None})


def _is_same(row: Row, stored: Row) -> bool:
    return all(row[field] == stored[field] for field in STORED_FIELDS)
