"""Crops that occur more than once, in one split or several: byte-identical files, and other files of equal pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from iics.data_check.scan import Scan

Place = tuple[str, int]
"""Split and index of a crop."""


def find_copies(scans: Mapping[str, Scan]) -> tuple[list[str], list[str]]:
    """Return errors and warnings about copies, one for each kind and combination of splits.

    A copy both in train and in query or gallery is an error. Files of equal bytes are reported once, not again as
    equal pixels.

    Args:
        scans: By split, in the order they are to be named.
    """
    same_files = [
        places
        for places in _groups({split: scan.file_hashes for split, scan in scans.items()})
        if len({scans[split].crops.label(index) for split, index in places}) > 1  # else one crop in query and gallery
    ]
    same_pixels = _groups({split: scan.pixel_hashes for split, scan in scans.items()})
    other_files = [places for places in same_pixels if not _are_one_file(places, scans)]
    errors, warnings = [], []
    kinds = {"Byte-identical images": same_files, "Images of equal pixels in different files": other_files}
    for kind, groups in kinds.items():
        for splits, found in _by_splits(groups).items():
            text = _sentence(kind, splits, found, scans)
            if "train" in splits and len(splits) > 1:
                errors.append(f"{text} Training would see the test. Remove them from one side.")
            else:
                warnings.append(f"{text} Remove the copies unless they are meant.")
    return errors, warnings


def _groups(hashes: Mapping[str, tuple[bytes, ...]]) -> list[list[Place]]:
    """Return the places of every hash that occurs more than once; empty hashes do not count."""
    places: dict[bytes, list[Place]] = defaultdict(list)
    for split, digests in hashes.items():
        for index, digest in enumerate(digests):
            if digest:
                places[digest].append((split, index))
    return [found for found in places.values() if len(found) > 1]


def _are_one_file(places: list[Place], scans: Mapping[str, Scan]) -> bool:
    digests = {scans[split].file_hashes[index] for split, index in places}
    return len(digests) == 1 and b"" not in digests


def _by_splits(groups: list[list[Place]]) -> dict[tuple[str, ...], list[list[Place]]]:
    by_splits: dict[tuple[str, ...], list[list[Place]]] = defaultdict(list)
    for places in groups:
        by_splits[tuple(dict.fromkeys(split for split, _ in places))].append(places)
    return by_splits


def _sentence(kind: str, splits: tuple[str, ...], found: list[list[Place]], scans: Mapping[str, Scan]) -> str:
    first, last = (scans[split].crops.label(index) for split, index in (found[0][0], found[0][-1]))
    where = "within" if len(splits) == 1 else "shared by"
    num_crops = sum(map(len, found))
    return f"{kind} {where} {' and '.join(splits)}: {len(found)} in {num_crops} crops, e.g. {first} and {last}."
