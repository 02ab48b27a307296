"""A finished round of a run, read for browsing: its crops and the cluster of each.

A run folder holds the clusters as a table of paths; the crops come from the data the run names, or straight from
the files.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iics.arrays import IntArray
from iics.crops import BOX_COLUMNS, CropSet
from iics.data_splits import DataSplits
from iics.errors import DataError, RunFolderError
from iics.natural_order import natural_order
from iics.regular_file import MOST_TABLE_BYTES, read_regular
from iics.runs.run_data import RunData
from iics.runs.run_files import METRICS, labels_hash, read_records

_ROUND_FILE = re.compile(r"round-(\d+)\.csv")
_LARGEST = 2**31
_COLUMN = "_cluster"
"""How the columns of clusters end; what stands before is the stage that found them."""
_IN_CAMERAS = "stage1_cluster"
"""Stage 1 of IICS numbers the clusters of each camera by themselves; other stages number them over all cameras."""
_Place = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class ClusterTable:
    """The table of one round.

    Attributes:
        places: Path of each crop, and its box, () if it has none. Length n.
        cameras: Camera name of each crop. Length n.
        labels: Cluster of each crop, -1 for a crop of a camera that sat out. Shape (n,).
        names: What each cluster is called. Length k.
        file: The table.
    """

    places: tuple[_Place, ...]
    cameras: tuple[str, ...]
    labels: IntArray
    names: tuple[str, ...]
    file: Path


@dataclass(frozen=True, eq=False)
class RunClusters:
    """The crops of a run in the clusters of one round.

    Attributes:
        crops: In the order of the table.
        labels: Cluster of each crop, -1 for none. Shape (n,).
        names: What each cluster is called. Length k.
    """

    crops: CropSet
    labels: IntArray
    names: tuple[str, ...]


def rounds_of(run: Path) -> tuple[int, ...]:
    """Return the rounds whose clusters a run folder holds, in order.

    Raises:
        RunFolderError: If there are none.
    """
    folder = run / "pseudo_labels"
    matches = [_ROUND_FILE.fullmatch(file.name) for file in folder.iterdir()] if folder.is_dir() else []
    rounds = tuple(sorted(int(match[1]) for match in matches if match))
    if not rounds:
        raise RunFolderError(
            f"{run} holds no clusters: there is no pseudo_labels/round-*.csv. A run without identities has one after "
            "its first round; a supervised run has none."
        )
    return rounds


def read_cluster_table(run: Path, round_number: int) -> ClusterTable:
    """Return the clusters of a round, as the last stage that has some found them.

    Raises:
        RunFolderError: If the table is missing or damaged.
    """
    file = run / "pseudo_labels" / f"round-{round_number:03d}.csv"
    try:
        text = read_regular(file, most_bytes=MOST_TABLE_BYTES).decode(errors="surrogateescape")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (OSError, csv.Error) as error:
        raise RunFolderError(f"Cannot read {file}: {error}.") from error
    try:
        _check_rows(rows)
        box_columns = BOX_COLUMNS if rows and BOX_COLUMNS[0] in rows[0] else ()
        places = tuple((row["path"], tuple(int(row[name]) for name in box_columns)) for row in rows)
        clusters = [_cluster_of(row) for row in rows]
        cameras = tuple(row["camera"] for row in rows)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise RunFolderError(f"{file} is no whole table of clusters ({error!r}). Restore it from a copy.") from error
    if not rows:
        raise RunFolderError(f"{file} lists no crops. Restore it from a copy.")
    has_data = (run / "data.json").exists()
    num_crops = RunData.read(run).values.get("num_crops", len(rows)) if has_data else len(rows)
    if len(rows) != num_crops:
        raise RunFolderError(f"{file} lists {len(rows)} crops, and the run has {num_crops}. Restore it from a copy.")
    _check_hash(run, round_number, lines, file)
    names = natural_order(name for name in clusters if name is not None)
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([-1 if name is None else numbers[name] for name in clusters], dtype=np.int64)
    return ClusterTable(places, cameras, labels, tuple(names), file)


def _check_hash(run: Path, round_number: int, lines: Sequence[Sequence[str]], file: Path) -> None:
    """Refuse a table that is not the one that the record of its round tells of; older versions recorded none."""
    known = {record.number: record.values.get("pseudo_labels") for record in read_records(run)}.get(round_number)
    if known is not None and known != labels_hash(lines):
        raise RunFolderError(
            f"{file} is not what {METRICS} says this run wrote: it was changed, or is another's. Restore it from a "
            "copy."
        )


def _check_rows(rows: Sequence[Mapping[str, str]]) -> None:
    """Refuse rows that are cut off, or hold numbers that no table has.

    Raises:
        ValueError: If one is.
    """
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values() or not row["path"]:
            raise ValueError(f"line {number} is cut off or too long")
        for name in (*BOX_COLUMNS, *_clusters(row)):
            if row.get(name) and abs(int(row[name])) > _LARGEST:
                raise ValueError(f"line {number} has no {name}")
        if not _clusters(row):
            raise ValueError(f"line {number} has no cluster")


def _clusters(row: Mapping[str, str]) -> list[str]:
    """Return the columns in which a row has a cluster, in the order of the stages."""
    return [column for column, value in row.items() if column.endswith(_COLUMN) and value]


def _cluster_of(row: Mapping[str, str]) -> str | None:
    """Return what the cluster of a row is called; None for none."""
    last = _clusters(row)[-1]
    number = int(row[last])
    if number < 0:
        return None
    return f"{row['camera']}, cluster {number}" if last == _IN_CAMERAS else f"cluster {number}"


def clusters_of(table: ClusterTable, data: DataSplits | None) -> RunClusters:
    """Return the crops of a table with their clusters.

    Args:
        table: Of the run.
        data: What the run was trained on; None for crops that lie in files of their own, as the table names them.

    Raises:
        DataError: If crops of the table are not in the data.
    """
    if data is None:
        names = natural_order(table.cameras)
        cameras = np.array([names.index(camera) for camera in table.cameras], dtype=np.int64)
        has_boxes = bool(table.places[0][1])
        crops = CropSet(
            paths=tuple(Path(path) for path, _ in table.places),
            camera_ids=cameras,
            camera_names=tuple(names),
            boxes=np.array([box for _, box in table.places], dtype=np.int64) if has_boxes else None,
            name="the run's crops",
        )
        return RunClusters(crops, table.labels, table.names)
    for split in data.sets.values():
        if (indices := _indices(table, split)) is not None:
            return RunClusters(split.subset(indices).without_identities(), table.labels, table.names)
    raise DataError(
        f"The crops of {table.file} are not in {data.name} any more: {table.places[0][0]} or others are missing. The "
        "clusters can be browsed while the data lies where the run read it."
    )


def _indices(table: ClusterTable, crops: CropSet) -> IntArray | None:
    """Return where the crops of a table are in a set; None if one of them is not."""
    boxes: list[list[int]] = [[]] * len(crops) if crops.boxes is None else crops.boxes.tolist()
    at = {(path.as_posix(), tuple(box)): n for n, (path, box) in enumerate(zip(crops.paths, boxes, strict=True))}
    if not all(place in at for place in table.places):
        return None
    return np.array([at[place] for place in table.places], dtype=np.int64)
