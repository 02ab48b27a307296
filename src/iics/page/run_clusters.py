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
from iics.crops import BOX_COLUMNS, CropSet, DataSplits, natural_order
from iics.errors import DataError, RunFolderError
from iics.regular_file import MOST_TABLE_BYTES, read_regular
from iics.runs.run_data import RunData

_ROUND_FILE = re.compile(r"round-(\d+)\.csv")
_LARGEST = 2**31
_Place = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class ClusterTable:
    """The table of one round.

    Attributes:
        places: Path of each crop, and its box, () if it has none. Length n.
        cameras: Camera name of each crop. Length n.
        labels: Cluster of each crop, -1 for a crop of a camera that sat out. Shape (n,).
        names: What each cluster is called. Length k.
    """

    places: tuple[_Place, ...]
    cameras: tuple[str, ...]
    labels: IntArray
    names: tuple[str, ...]


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
    """Return the clusters of a round: of stage 2, or of each camera where the run has no stage 2.

    Raises:
        RunFolderError: If the table is missing or damaged.
    """
    file = run / "pseudo_labels" / f"round-{round_number:03d}.csv"
    try:
        text = read_regular(file, most_bytes=MOST_TABLE_BYTES).decode(errors="surrogateescape")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (OSError, csv.Error) as error:
        raise RunFolderError(f"Cannot read {file}: {error}.") from error
    try:
        box_columns = BOX_COLUMNS if rows and BOX_COLUMNS[0] in rows[0] else ()
        places = tuple((row["path"], tuple(int(row[name]) for name in box_columns)) for row in rows)
        clusters = [_cluster_of(row) for row in rows]
        cameras = tuple(row["camera"] for row in rows)
        _check_rows(rows)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise RunFolderError(f"{file} is no whole table of clusters ({error!r}). Restore it from a copy.") from error
    if not rows:
        raise RunFolderError(f"{file} lists no crops. Restore it from a copy.")
    has_data = (run / "data.json").exists()
    num_crops = RunData.read(run).values.get("num_crops", len(rows)) if has_data else len(rows)
    if len(rows) != num_crops:
        raise RunFolderError(f"{file} lists {len(rows)} crops, and the run has {num_crops}. Restore it from a copy.")
    names = natural_order(name for name in clusters if name is not None)
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([-1 if name is None else numbers[name] for name in clusters], dtype=np.int64)
    return ClusterTable(places, cameras, labels, tuple(names))


def _check_rows(rows: Sequence[Mapping[str, str]]) -> None:
    """Refuse rows that are cut off, or hold numbers that no table has.

    Raises:
        ValueError: If one is.
    """
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values() or not row["path"]:
            raise ValueError(f"line {number} is cut off or too long")
        for name in (*BOX_COLUMNS, "stage1_cluster", "stage2_cluster"):
            if row.get(name) and abs(int(row[name])) > _LARGEST:
                raise ValueError(f"line {number} has no {name}")


def _cluster_of(row: Mapping[str, str]) -> str | None:
    """Return what the cluster of a row is called; None for none."""
    if row["stage2_cluster"]:
        number = int(row["stage2_cluster"])
        return None if number < 0 else f"cluster {number}"
    number = int(row["stage1_cluster"])
    return None if number < 0 else f"{row['camera']}, cluster {number}"


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
        f"The crops of the run are not in {data.name} any more: {table.places[0][0]} or others are missing there. The "
        "clusters can be browsed while the data lies where the run read it."
    )


def _indices(table: ClusterTable, crops: CropSet) -> IntArray | None:
    """Return where the crops of a table are in a set; None if one of them is not."""
    boxes: list[list[int]] = [[]] * len(crops) if crops.boxes is None else crops.boxes.tolist()
    at = {(path.as_posix(), tuple(box)): n for n, (path, box) in enumerate(zip(crops.paths, boxes, strict=True))}
    if not all(place in at for place in table.places):
        return None
    return np.array([at[place] for place in table.places], dtype=np.int64)
