"""What a look over a data set found, as values and as a plain table for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class SplitReport:
    """What one split holds.

    Attributes:
        name: "train", "query" or "gallery".
        num_crops: Number of crops, unreadable ones included.
        camera_names: Names of all cameras of the set.
        crops_per_camera: Number of crops of each camera, in order of `camera_names`.
        num_identities: Number of people, junk and distractors not counted; None without identities.
        num_junk: Number of crops with identity -1.
        num_distractors: Number of crops with identity 0.
        smallest_size: Smallest width and smallest height in pixels; None if no crop could be decoded.
        largest_size: Largest width and largest height in pixels; None if no crop could be decoded.
    """

    name: str
    num_crops: int
    camera_names: tuple[str, ...]
    crops_per_camera: tuple[int, ...]
    num_identities: int | None
    num_junk: int
    num_distractors: int
    smallest_size: tuple[int, int] | None
    largest_size: tuple[int, int] | None


@dataclass(frozen=True)
class DataReport:
    """Findings of `check_data`; its text is a plain table followed by the findings.

    Attributes:
        name: Name of the data set.
        splits: One entry for each split that exists.
        errors: What must be mended before training or evaluation; each a full sentence.
        warnings: What can be lived with but should be known.
    """

    name: str
    splits: tuple[SplitReport, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing must be mended; warnings do not count."""
        return not self.errors

    def __str__(self) -> str:
        blocks = [self.name, _split_table(self.splits), _camera_table(self.splits)]
        blocks += [f"Error: {error}" for error in self.errors]
        blocks += [f"Warning: {warning}" for warning in self.warnings]
        blocks.append(f"errors: {len(self.errors)}, warnings: {len(self.warnings)}")
        return "\n\n".join(blocks)


def _split_table(splits: tuple[SplitReport, ...]) -> str:
    rows: list[tuple[str, ...]] = [
        ("split", "crops", "identities", "cameras", "junk", "distractors", "width", "height")
    ]
    for split in splits:
        identities = "-" if split.num_identities is None else str(split.num_identities)
        cameras = sum(count > 0 for count in split.crops_per_camera)
        counts = (split.num_crops, identities, cameras, split.num_junk, split.num_distractors)
        rows.append((split.name, *map(str, counts), _range(split, 0), _range(split, 1)))
    return _table(rows)


def _camera_table(splits: tuple[SplitReport, ...]) -> str:
    names = list(dict.fromkeys(name for split in splits for name in split.camera_names))
    counts = [dict(zip(split.camera_names, split.crops_per_camera, strict=True)) for split in splits]
    rows: list[tuple[str, ...]] = [("camera", *(f"{split.name} crops" for split in splits))]
    rows += [(name, *(str(count.get(name, 0)) for count in counts)) for name in names]
    return _table(rows)


def _range(split: SplitReport, axis: int) -> str:
    if split.smallest_size is None or split.largest_size is None:
        return "-"
    low, high = split.smallest_size[axis], split.largest_size[axis]
    return str(low) if low == high else f"{low}-{high}"


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    """Return rows as aligned text: the first column to the left, numbers to the right."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in zip(*columns, strict=True)
    )
