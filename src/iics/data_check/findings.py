"""Findings of the check of a data set, as values and as a plain table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from iics.data_check.crop_sizes import Distribution, SizeDistribution
from iics.shown_name import shown

_SHADES = " .:-=+*#%@"


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
        sizes: How large its crops are; None if no crop could be decoded.
        colourless_per_camera: Number of crops of each camera that are shades of one colour, e.g. grey.
    """

    name: str
    num_crops: int
    camera_names: tuple[str, ...]
    crops_per_camera: tuple[int, ...]
    num_identities: int | None
    num_junk: int
    num_distractors: int
    sizes: SizeDistribution | None
    colourless_per_camera: tuple[int, ...] = ()


@dataclass(frozen=True)
class DataReport:
    """Findings of `check_data`; its text is a plain table followed by the findings.

    Attributes:
        name: Name of the data set.
        splits: One entry for each split that exists.
        errors: What must be fixed before training or evaluation; each a full sentence.
        warnings: What should be known, but stops nothing.
        tables: Texts that follow the tables of splits and cameras, e.g. what was expected of a published data set.
    """

    name: str
    splits: tuple[SplitReport, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    tables: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing must be mended; warnings do not count."""
        return not self.errors

    def __str__(self) -> str:
        tables = (_split_table(self.splits), _camera_table(self.splits), _size_table(self.splits))
        blocks = [shown(self.name), *tables, *self.tables]
        blocks += [f"Error: {shown(error)}" for error in self.errors]
        blocks += [f"Warning: {shown(warning)}" for warning in self.warnings]
        blocks.append(f"errors: {len(self.errors)}, warnings: {len(self.warnings)}")
        return "\n\n".join(blocks)


def _split_table(splits: tuple[SplitReport, ...]) -> str:
    rows: list[tuple[str, ...]] = [("split", "crops", "identities", "cameras", "junk", "distractors")]
    for split in splits:
        identities = "-" if split.num_identities is None else str(split.num_identities)
        cameras = sum(count > 0 for count in split.crops_per_camera)
        counts = (split.num_crops, identities, cameras, split.num_junk, split.num_distractors)
        rows.append((split.name, *map(str, counts)))
    return _table(rows)


def _camera_table(splits: tuple[SplitReport, ...]) -> str:
    names = list(dict.fromkeys(name for split in splits for name in split.camera_names))
    counts = [dict(zip(split.camera_names, split.crops_per_camera, strict=True)) for split in splits]
    rows: list[tuple[str, ...]] = [("camera", *(f"{split.name} crops" for split in splits))]
    rows += [(shown(name), *(str(count.get(name, 0)) for count in counts)) for name in names]
    return _table(rows)


def _size_table(splits: tuple[SplitReport, ...]) -> str:
    rows: list[tuple[str, ...]] = [("size in pixels", "min", "5 %", "median", "95 %", "max", "min to max")]
    for split in splits:
        if split.sizes is None:
            rows.append((f"{split.name}: nothing could be decoded", "", "", "", "", "", ""))
            continue
        for name, spread, digits in (
            ("width", split.sizes.width, 0),
            ("height", split.sizes.height, 0),
            ("height / width", split.sizes.aspect, 2),
        ):
            values = (spread.minimum, spread.low, spread.median, spread.high, spread.maximum)
            numbers = (f"{value:.{digits}f}" for value in values)
            rows.append((f"{split.name}, {name}", *numbers, _shades(spread)))
    return _table(rows)


def _shades(spread: Distribution) -> str:
    """Return a histogram as a character a step: the darker, the more crops; blank for none."""
    if spread.minimum == spread.maximum:
        return "one value"
    most, darkest = max(spread.histogram), len(_SHADES) - 1
    return "[" + "".join(_SHADES[-(-count * darkest // most)] for count in spread.histogram) + "]"


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    """Return rows as aligned text: the first column to the left, numbers to the right."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in zip(*columns, strict=True)
    )
