"""A run's folder on disk: settings, metrics, pseudo-labels, checkpoints, the model. All writes are atomic.

settings.json      settings of the run
data.json          what it was trained on
crops.csv          the pictures it began with: path, camera, identity where it is measured, hash of the contents
metrics.jsonl      one line a round
model.safetensors  the model after the last finished stage
checkpoints/       state after each stage, the last two kept
pseudo_labels/     round-001.csv, ...: path (and box), camera, cluster in each stage that clusters
judgement.json     what the run's own crops say without labels, before and after; written when training ends
clusters.jpg, matches.jpg, mistakes.jpg  pictures of its crops, likewise
model.md           what the model is, is for and is not for, written when training ends
report.html        all of it on one page, written by `iics.train` after every round
loggers.json       which rounds each logger was given
.lock, .held_by.json  who writes at the moment
tensorboard/       the same numbers as metrics.jsonl, for the logger of that name
wandb/, mlflow.db  likewise, unless the environment names another place
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from iics.arrays import IntArray
from iics.atomic import write_atomically
from iics.config import Settings
from iics.crops import BOX_COLUMNS, CropSet
from iics.csv_text import csv_text
from iics.errors import RunFolderError, WriteError
from iics.methods.by_name import method_of, own_settings
from iics.models.reid_model import ReidModel
from iics.runs.checkpoint import Checkpoint
from iics.runs.deciding_settings import settings_fingerprint
from iics.runs.kept_checkpoints import KeptCheckpoints
from iics.runs.run_crops import RunCrops
from iics.runs.run_data import RunData
from iics.runs.run_files import SEEDS, check_is_run, is_unbegun, labels_hash, read_lines, read_text
from iics.runs.run_hold import held
from iics.settings_json import from_json, to_json


class RunFolder:
    """Reads and writes one run's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._checkpoints = KeptCheckpoints(path / "checkpoints")

    @classmethod
    def create(
        cls,
        path: Path | str,
        *,
        settings: Settings,
        crops: CropSet,
        source: Mapping[str, str],
        pictures: RunCrops | None = None,
    ) -> RunFolder:
        """Make a new run folder.

        Args:
            path: Where; must not exist, be empty, or hold a run that was killed before it began.
            settings: Of the run.
            crops: What it is trained on.
            source: Where the crops come from, for whoever resumes, e.g. {"data": "market1501", "data_dir": "..."}.
            pictures: Its pictures by their contents; without them a resumed run compares names alone.

        Raises:
            RunFolderError: If something is there already, or another process makes a run there.
        """
        cls.check_new(path)
        folder = cls(Path(path))
        method = method_of(settings)
        has_clusters = any(stage.has_clusters for stage in method.stages(settings))
        try:
            for name in ("checkpoints", "pseudo_labels") if has_clusters else ("checkpoints",):
                (folder.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"Cannot make the run folder {folder.path}: {error.strerror or error}.") from error
        with held(folder.path):
            cls.check_new(path)  # another process may have begun a run since
            if pictures is not None:
                pictures.write(folder.path)
            counts = np.bincount(crops.camera_ids, minlength=len(crops.camera_names)).tolist()
            data = {
                **source,
                "name": crops.name,
                "num_crops": len(crops),
                "crops_per_camera": dict(zip(crops.camera_names, counts, strict=True)),
                "fingerprint": crops.fingerprint(),
                "started": f"{datetime.now(UTC):%Y-%m-%d}",
                "run": uuid.uuid4().hex,
                "deciding_settings": settings_fingerprint(settings),
            }
            if method.uses_identities:
                data["identities"] = crops.identity_fingerprint()
            if settings.tracklets.are_used:
                data["tracklets"] = crops.tracklet_fingerprint()
            RunData(folder.path / "data.json", data).write()
            write_atomically(folder.path / "settings.json", to_json(settings))  # the last: now it is a run
        return folder

    @staticmethod
    def check_new(path: Path | str) -> None:
        """Refuse a place where something is already; an empty folder will do, or a run killed before it began.

        Raises:
            RunFolderError: If it is not free.
        """
        place = Path(path)
        try:
            is_free = not place.exists() or (place.is_dir() and not any(place.iterdir())) or is_unbegun(place)
        except OSError as error:
            raise RunFolderError(f"Cannot look into {place}: {error.strerror or error}.") from error
        if not is_free:
            is_run = any((place / name).is_file() for name in ("settings.json", SEEDS))
            hint = f", or go on with that run: iics train --resume {place}" if is_run else "."
            raise RunFolderError(f"{place} exists already; nothing is overwritten. Choose another --out{hint}")

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """Return an existing run folder, to read it, or to write within `writing`; nothing in it is changed.

        Raises:
            RunFolderError: If it is none.
        """
        folder = cls(Path(path))
        check_is_run(folder.path)
        return folder

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder within the block.

        Raises:
            RunFolderError: If another process holds it.
        """
        with held(self.path):
            yield

    @property
    def model_path(self) -> Path:
        """File of the model after the last finished stage."""
        return self.path / "model.safetensors"

    def settings(self) -> Settings:
        """Return the settings of the run.

        Raises:
            SettingsError: If they cannot be read.
        """
        file = self.path / "settings.json"
        settings = from_json(read_text(file), source=file, own=own_settings)
        known = self.data().values.get("deciding_settings")
        if known is not None and known != settings_fingerprint(settings):
            raise RunFolderError(
                f"{file} is not what this run began with: it, or data.json beside it, is another run's or was edited. "
                "Restore it from a copy, or start a new run with these settings. (pixels, engine, device, loggers and "
                "the place of weights may be changed.)"
            )
        return settings

    def data(self) -> RunData:
        """Return what the run is trained on, and which run it is.

        Raises:
            RunFolderError: If it cannot be read.
        """
        return RunData.read(self.path)

    def source(self) -> dict[str, str]:
        """Return what `create` was told of where the crops come from.

        Raises:
            RunFolderError: If it cannot be read.
        """
        return self.data().source

    def move_source(self, source: Mapping[str, str]) -> None:
        """Write down that the crops lie elsewhere now."""
        data = self.data()
        replace(data, values={**data.values, **source}).write()

    def pictures(self) -> RunCrops | None:
        """Return the pictures that the run began with; None in runs of older versions.

        Raises:
            RunFolderError: If they cannot be read.
        """
        data = self.data()
        data.needed("fingerprint")  # which a run of any version has: without it the file is not whole
        return RunCrops.read(self.path, num_crops=data.needed("num_crops"))

    def check_same_crops(self, crops: CropSet) -> None:
        """Refuse crops that are not listed as those that the run was started with; contents are not compared.

        Raises:
            RunFolderError: If number, order, cameras or names differ, or, in a supervised run, identities.
        """
        data = self.data()
        if data.needed("fingerprint") != crops.fingerprint():
            raise RunFolderError(
                f"{self.path} was trained on {data.needed('num_crops')} crops of {data.needed('name')}; these "
                f"{len(crops)} crops of {crops.name} are not the same files, so the run cannot go on with them."
            )
        self.check_same_identities(crops)

    def check_same_identities(self, crops: CropSet) -> None:
        """Refuse other identities than those that a supervised run was started with.

        Raises:
            RunFolderError: If they are.
        """
        if self.data().values.get("identities", crops.identity_fingerprint()) != crops.identity_fingerprint():
            raise RunFolderError(
                f"{self.path} was trained on other identities of these crops, so the run cannot go on with them."
            )

    def check_same_tracklets(self, crops: CropSet) -> None:
        """Refuse other tracklets or times than those that a run was started with, where it uses them.

        Raises:
            RunFolderError: If they are.
        """
        if self.data().values.get("tracklets", crops.tracklet_fingerprint()) != crops.tracklet_fingerprint():
            raise RunFolderError(
                f"{self.path} was started with other tracklets or times of these crops, which its labels depend on "
                "(--tracklets), so the run cannot go on with them. Read the crops from the same table or pattern."
            )

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint and delete all but it and the one before."""
        self._checkpoints.save(checkpoint, run=self.data().run)

    def delete_old_checkpoints(self) -> None:
        """Delete all checkpoints but the last two; see `KeptCheckpoints`."""
        self._checkpoints.delete_old()

    def latest_checkpoint(self) -> Checkpoint | None:
        """Return the newest whole checkpoint, None if there is none yet; see `KeptCheckpoints`."""
        return self._checkpoints.latest(run=self.data().run)

    def read_metrics(self) -> list[str]:
        """Return the lines of metrics.jsonl.

        Raises:
            RunFolderError: If one is damaged.
        """
        return [line for line, _ in read_lines(self.path)]

    def write_metrics(self, lines: list[str]) -> None:
        """Write metrics.jsonl anew: one line a round."""
        write_atomically(self.path / "metrics.jsonl", "".join(line + "\n" for line in lines))

    def write_pseudo_labels(self, round_index: int, crops: CropSet, labels: Mapping[str, IntArray]) -> str:
        """Write the clusters of a round as a table, in the order of the paths; -1 for crops that are in none.

        Args:
            round_index: From 0.
            crops: In the order of the labels.
            labels: Clusters by the name of the stage that found them; a column each. Shapes (n,).

        Returns:
            Hash of the table, `labels_hash`.
        """
        box_columns = () if crops.boxes is None else BOX_COLUMNS
        rows: list[list[Any]] = [["path", *box_columns, "camera", *(f"{stage}_cluster" for stage in labels)]]
        boxes: list[list[int]] = [[]] * len(crops) if crops.boxes is None else crops.boxes.tolist()
        for i in sorted(range(len(crops)), key=lambda i: (crops.paths[i], boxes[i])):
            camera = crops.camera_names[crops.camera_ids[i]]
            row: list[Any] = [crops.paths[i].as_posix(), *boxes[i], camera]
            rows.append(row + [found[i] for found in labels.values()])
        write_atomically(self.path / "pseudo_labels" / f"round-{round_index + 1:03d}.csv", csv_text(rows))
        return labels_hash(rows)

    def save_model(self, model: ReidModel) -> None:
        """Write the model as it is now."""
        model.save(self.model_path)
