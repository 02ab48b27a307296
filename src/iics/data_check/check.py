"""The check of a data set before training: counts, errors and warnings.

DataSplits -> DataReport. Every image is decoded in full and hashed, so this reads all files once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np

from iics.crops import DISTRACTOR_IDENTITY, JUNK_IDENTITY, CropSet
from iics.data_check.bursts import find_bursts
from iics.data_check.colour import colourless_cameras, colourless_per_camera
from iics.data_check.copies import find_copies
from iics.data_check.crop_sizes import SizeDistribution, unlikely_crops
from iics.data_check.findings import DataReport, SplitReport
from iics.data_check.scan import Scan, scan_crops
from iics.data_check.tracklets import tracklet_table, tracklet_warnings
from iics.data_splits import DataSplits, all_splits
from iics.pixels.images import describe_failures
from iics.subjects import SubjectName

__all__ = ["DataReport", "SplitReport", "check_data"]


def check_data(
    splits: DataSplits, *, subject: SubjectName = "person", progress: Callable[[int], None] | None = None
) -> DataReport:
    """Decode every crop and report counts, errors and warnings; no finding raises an error.

    Errors: crops that do not decode, copies or identities both in train and in query or gallery, splits that name their
    cameras differently. Warnings: copies elsewhere, crops of one camera, cameras too small for stage 1, queries without
    a valid match or with their own burst in the gallery, crops that do not look like the subject, cameras without
    colour, tracklets that contradict frames or pause for long.

    Args:
        splits: The data set.
        subject: What crops show.
        progress: Called with the number of crops done so far, over all splits.

    Raises:
        DataError: If the archive of a split cannot be opened, or `splits` is no whole data set.
    """
    splits = all_splits(splits, what="The check")
    scans: dict[str, Scan] = {}
    num_before = 0
    for split, crops in splits.sets.items():
        scans[split] = scan_crops(crops, progress=_counting_from(num_before, progress))
        num_before += len(crops)
    copies_errors, copies_warnings = find_copies(scans)
    decode_errors = [describe_failures(scan.crops, scan.failures) for scan in scans.values() if scan.failures]
    query_errors, query_warnings = _query_faults(splits)
    bursts = find_bursts(splits.query, splits.gallery)
    unlikely = [warning for split, scan in scans.items() for warning in unlikely_crops(split, scan, subject)]
    colourless = [warning for split, scan in scans.items() for warning in colourless_cameras(split, scan)]
    table = tracklet_table(splits)
    of_tracklets = [warning for crops in splits.sets.values() for warning in tracklet_warnings(crops)]
    return DataReport(
        name=splits.name,
        splits=tuple(_split_report(split, scan) for split, scan in scans.items()),
        errors=(*decode_errors, *_camera_errors(splits), *copies_errors, *_shared_identities(splits), *query_errors),
        warnings=(
            *_one_camera(splits.train),
            *_small_cameras(splits.train),
            *copies_warnings,
            *query_warnings,
            *bursts,
            *unlikely,
            *colourless,
            *of_tracklets,
        ),
        tables=() if table is None else (table,),
    )


def _counting_from(num_before: int, progress: Callable[[int], None] | None) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress(num_before + done)


def _split_report(split: str, scan: Scan) -> SplitReport:
    crops, decoded = scan.crops, scan.sizes[scan.is_decoded]
    identities = np.zeros(0, dtype=np.int64) if crops.identity_ids is None else crops.identity_ids
    return SplitReport(
        name=split,
        num_crops=len(crops),
        camera_names=crops.camera_names,
        crops_per_camera=tuple(np.bincount(crops.camera_ids, minlength=len(crops.camera_names)).tolist()),
        num_identities=None if crops.identity_ids is None else len(_people(crops)),
        num_junk=int((identities == JUNK_IDENTITY).sum()),
        num_distractors=int((identities == DISTRACTOR_IDENTITY).sum()),
        sizes=SizeDistribution.of(decoded),
        colourless_per_camera=colourless_per_camera(scan),
    )


def _camera_errors(splits: DataSplits) -> list[str]:
    train, first = splits.train, splits.to_look_at()
    errors = []
    if train is not None and len(train) >= 2 and np.bincount(train.camera_ids).max() < 2:
        errors.append(
            f"No camera in {train.name} has 2 crops or more; stage 1 compares crops of one camera. Add crops."
        )
    errors += [
        f"{first.name} lists the cameras {', '.join(first.camera_names)} but {other.name} lists "
        f"{', '.join(other.camera_names)}; numbers would mean different cameras. Load all splits with one list."
        for other in (splits.query, splits.gallery)
        if other is not None and other.camera_names != first.camera_names
    ]
    return errors


def _one_camera(train: CropSet | None) -> list[str]:
    if train is None or train.num_cameras > 1:
        return []
    only = train.camera_names[train.camera_ids[0]]
    return [
        f"All {len(train)} crops in {train.name} are of one camera ({only}). Training is stage 1 alone: it learns to "
        "tell apart those whom this camera sees, and nothing of how they look in another one. If a session, site, day "
        "or flank may stand for the camera, say so (--camera-by, or a folder for each; docs/weak_cameras.md)."
    ]


def _small_cameras(train: CropSet | None) -> list[str]:
    if train is None:
        return []
    counts = np.bincount(train.camera_ids, minlength=len(train.camera_names)).tolist()
    return [
        f"Camera {camera} has {count} crop{'' if count == 1 else 's'} in {train.name}; stage 1 needs at least 2, "
        "so this camera sits it out. Add crops or exclude the camera."
        for camera, count in zip(train.camera_names, counts, strict=True)
        if count < 2
    ]


def _shared_identities(splits: DataSplits) -> list[str]:
    people = {split: _people(crops) for split, crops in splits.sets.items()}
    shared = sorted(people.get("train", set()) & (people.get("query", set()) | people.get("gallery", set())))
    if not shared:
        return []
    return [
        f"Identities both in train and in query or gallery: {len(shared)}, e.g. {shared[0]}. "
        "Training would see the test. Keep each person on one side."
    ]


def _query_faults(splits: DataSplits) -> tuple[list[str], list[str]]:
    """Return errors (evaluation would refuse the query) and warnings (it would leave queries out)."""
    query, gallery = splits.query, splits.gallery
    if query is None or gallery is None or query.identity_ids is None or gallery.identity_ids is None:
        return [], []
    nobody = int(np.sum(query.identity_ids <= DISTRACTOR_IDENTITY))
    if nobody:
        return [f"{nobody} of {len(query)} queries are junk or distractors and can match nobody. Remove them."], []
    cameras_of: dict[int, set[int]] = defaultdict(set)
    for identity, camera in zip(gallery.identity_ids.tolist(), gallery.camera_ids.tolist(), strict=True):
        cameras_of[identity].add(camera)
    queries = zip(query.identity_ids.tolist(), query.camera_ids.tolist(), strict=True)
    # Of one camera, people are searched for within it, as evaluation does.
    is_one = len(np.union1d(query.camera_ids, gallery.camera_ids)) == 1
    unmatched = [
        i for i, (identity, camera) in enumerate(queries) if not cameras_of[identity] - (set() if is_one else {camera})
    ]
    if not unmatched:
        return [], []
    text = (
        f"{len(unmatched)} of {len(query)} queries have no gallery crop of their identity"
        f"{'' if is_one else ' from another camera'}, e.g. {query.label(unmatched[0])}; "
    )
    if len(unmatched) == len(query):
        return [text + "evaluation has nothing to score. Take query and gallery from one data set."], []
    return [], [text + "evaluation leaves them out and says so."]


def _people(crops: CropSet) -> set[int]:
    identities = set() if crops.identity_ids is None else set(crops.identity_ids.tolist())
    return identities - {JUNK_IDENTITY, DISTRACTOR_IDENTITY}
