"""A run's folder on disk: settings, metrics, pseudo-labels, checkpoints, the model. All writes are atomic.

settings.json      settings of the run
data.json          what it was trained on
metrics.jsonl      one line a round
model.safetensors  the model after the last finished stage
checkpoints/       state after each stage, the last two kept
pseudo_labels/     round-001.csv, ...: path (and box), camera, cluster in stage 1 and 2; not in a supervised run
model.md           what the model is, is for and is not for, written when training ends
report.html        all of it on one page, written by the command line when training ends
loggers.json       which rounds each logger was given
tensorboard/       the same numbers as metrics.jsonl, for the logger of that name
wandb/, mlflow.db  likewise, unless the environment names another place
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from iics.atomic import remove_stale_temporaries, write_atomically
from iics.config import Settings
from iics.data.crops import BOX_COLUMNS, CropSet, IntArray, natural_order
from iics.errors import RunFolderError, WriteError
from iics.models.heads import BNNeckHead
from iics.models.reid_model import ReidModel
from iics.settings_json import from_json, to_json

logger = logging.getLogger(__name__)

CHECKPOINTS_KEPT = 2
_DIGEST_BYTES = hashlib.sha256().digest_size

LABEL_FIELDS = ("stage1_labels", "stage2_labels", "stage1_labels_before", "stage2_labels_before")

StageName = Literal["stage1", "stage2", "supervised"]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State of a run after a stage; enough to go on as if nothing had happened.

    Every random choice comes from a generator seeded by (seed, round, stage), so no random state has to be kept.
    Optimisers are new in each stage of IICS; a supervised run goes on with the one it has.

    Attributes:
        round_index: Round at work, from 0.
        stage: The stage that is finished.
        backbone: State dict of the backbone.
        heads: State dicts of stage 1's heads, for the scores of stage 2, or of the one supervised head; else empty.
        stage1_labels: Clusters of stage 1, for the table of the round; None if there was none. Shape (n,).
        stage2_labels: Clusters of stage 2, likewise.
        record: JSON of what the stages of the round recorded.
        history: Lines of metrics.jsonl of the rounds before.
        optimiser: State dict of a supervised run's optimiser; None in other runs.
        stage1_labels_before: Clusters of stage 1 in the round before, for their stability; None if there was none, and
            in checkpoints of older versions. Shape (n,).
        stage2_labels_before: Clusters of stage 2, likewise.
    """

    round_index: int
    stage: StageName
    backbone: dict[str, Tensor]
    heads: list[dict[str, Tensor]]
    stage1_labels: Tensor | None
    stage2_labels: Tensor | None
    record: str
    history: list[str]
    optimiser: dict[str, Any] | None = None
    stage1_labels_before: Tensor | None = None
    stage2_labels_before: Tensor | None = None

    def labels(self) -> dict[str, Tensor | None]:
        """Return the clusters that it holds, by name."""
        return {name: getattr(self, name) for name in LABEL_FIELDS}

    def rebuilt_heads(self, device: torch.device) -> list[BNNeckHead]:
        """Return the heads as they were."""
        heads = []
        for state in self.heads:
            num_classes, num_features = state["weight"].shape
            head = BNNeckHead(num_features, num_classes, generator=torch.Generator())
            head.load_state_dict(state)
            heads.append(head.to(device))
        return heads


class RunFolder:
    """Reads and writes one run's folder.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path | str, *, settings: Settings, crops: CropSet, source: Mapping[str, str]) -> RunFolder:
        """Make a new run folder.

        Args:
            path: Where; must not exist, or be empty.
            settings: Of the run.
            crops: What it is trained on.
            source: Where the crops come from, for whoever resumes, e.g. {"data": "market1501", "data_dir": "..."}.

        Raises:
            RunFolderError: If something is there already.
        """
        cls.check_new(path)
        folder = cls(Path(path))
        is_supervised = settings.stages == "supervised"
        try:
            for name in ("checkpoints",) if is_supervised else ("checkpoints", "pseudo_labels"):
                (folder.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"Cannot make the run folder {folder.path}: {error.strerror or error}.") from error
        counts = np.bincount(crops.camera_ids, minlength=len(crops.camera_names)).tolist()
        data = {
            **source,
            "name": crops.name,
            "num_crops": len(crops),
            "crops_per_camera": dict(zip(crops.camera_names, counts, strict=True)),
            "fingerprint": crops.fingerprint(),
            "started": f"{datetime.now(UTC):%Y-%m-%d}",
        }
        if is_supervised:
            data["identities"] = crops.identity_fingerprint()
        write_atomically(folder.path / "data.json", json.dumps(data, indent=2) + "\n")
        write_atomically(folder.path / "settings.json", to_json(settings))
        return folder

    @staticmethod
    def check_new(path: Path | str) -> None:
        """Refuse a place where something is already; an empty folder will do.

        Raises:
            RunFolderError: If it is not free.
        """
        place = Path(path)
        try:
            is_free = not place.exists() or (place.is_dir() and not any(place.iterdir()))
        except OSError as error:
            raise RunFolderError(f"Cannot look into {place}: {error.strerror or error}.") from error
        if not is_free:
            is_run = (place / "settings.json").is_file()
            hint = f", or go on with that run: iics train --resume {place}" if is_run else "."
            raise RunFolderError(f"{place} exists already; nothing is overwritten. Choose another --out{hint}")

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """Return an existing run folder.

        Raises:
            RunFolderError: If it is none.
        """
        folder = cls(Path(path))
        for name in ("settings.json", "data.json"):
            if not (folder.path / name).is_file():
                raise RunFolderError(f"{folder.path} is no run folder: it has no {name}. Start a run with iics train.")
        remove_stale_temporaries(folder.path / "checkpoints")
        remove_stale_temporaries(folder.path)
        return folder

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
        return from_json(file.read_text(), source=file)

    def source(self) -> dict[str, str]:
        """Return what `create` was told of where the crops come from, with their name, number and fingerprint.

        Raises:
            RunFolderError: If it cannot be read.
        """
        try:
            values: dict[str, str] = json.loads((self.path / "data.json").read_text())
        except json.JSONDecodeError as error:
            raise RunFolderError(f"{self.path / 'data.json'} is no valid JSON: {error}.") from error
        return values

    def check_same_crops(self, crops: CropSet) -> None:
        """Refuse crops that the run was not started with.

        Raises:
            RunFolderError: If number, order, cameras or names differ, or, in a supervised run, identities.
        """
        source = self.source()
        if source["fingerprint"] != crops.fingerprint():
            raise RunFolderError(
                f"{self.path} was trained on {source['num_crops']} crops of {source['name']}; these {len(crops)} crops "
                f"of {crops.name} are not the same files, so the run cannot go on with them."
            )
        if source.get("identities", crops.identity_fingerprint()) != crops.identity_fingerprint():
            raise RunFolderError(
                f"{self.path} was trained on other identities of these crops, so the run cannot go on with them."
            )

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint and delete all but the newest two."""
        buffer = io.BytesIO()
        torch.save({**vars(checkpoint)}, buffer)
        content = buffer.getvalue()
        name = f"round-{checkpoint.round_index + 1:03d}-{checkpoint.stage}.ckpt"
        write_atomically(self.path / "checkpoints" / name, content + hashlib.sha256(content).digest())
        for old in self._checkpoints()[:-CHECKPOINTS_KEPT]:
            old.unlink()

    def latest_checkpoint(self) -> Checkpoint | None:
        """Return the newest whole checkpoint, None if there is none yet; damaged ones are skipped with a warning.

        Raises:
            RunFolderError: If there are checkpoints and all of them are damaged.
        """
        files = self._checkpoints()
        for file in reversed(files):
            content = file.read_bytes()
            body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
            if hashlib.sha256(body).digest() == digest:
                try:
                    return Checkpoint(**torch.load(io.BytesIO(body), map_location="cpu", weights_only=True))
                except (pickle.UnpicklingError, RuntimeError, TypeError) as error:
                    logger.warning("Checkpoint %s cannot be read (%s); looking for the one before.", file, error)
            else:
                logger.warning("Checkpoint %s is damaged; looking for the one before.", file)
        if files:
            raise RunFolderError(
                f"All checkpoints in {self.path / 'checkpoints'} are damaged. Start a new run, or delete "
                "those files to have --resume begin with round 1."
            )
        return None

    def read_metrics(self) -> list[str]:
        """Return the lines of metrics.jsonl."""
        file = self.path / "metrics.jsonl"
        return file.read_text().splitlines() if file.exists() else []

    def write_metrics(self, lines: list[str]) -> None:
        """Write metrics.jsonl anew: one line a round."""
        write_atomically(self.path / "metrics.jsonl", "".join(line + "\n" for line in lines))

    def write_pseudo_labels(
        self, round_index: int, crops: CropSet, stage1: IntArray | None, stage2: IntArray | None
    ) -> None:
        """Write the clusters of a round as a table, in the order of the paths; -1 where a camera sat out."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        box_columns = () if crops.boxes is None else BOX_COLUMNS
        table.writerow(["path", *box_columns, "camera", "stage1_cluster", "stage2_cluster"])
        boxes: list[list[int]] = [[]] * len(crops) if crops.boxes is None else crops.boxes.tolist()
        for i in sorted(range(len(crops)), key=lambda i: (crops.paths[i], boxes[i])):
            camera = crops.camera_names[crops.camera_ids[i]]
            row: list[Any] = [crops.paths[i].as_posix(), *boxes[i], camera]
            table.writerow(row + ["" if labels is None else labels[i] for labels in (stage1, stage2)])
        write_atomically(self.path / "pseudo_labels" / f"round-{round_index + 1:03d}.csv", text.getvalue())

    def save_model(self, model: ReidModel) -> None:
        """Write the model as it is now."""
        model.save(self.model_path)

    def _checkpoints(self) -> list[Path]:
        folder = self.path / "checkpoints"
        return [folder / name for name in natural_order(file.name for file in folder.glob("round-*.ckpt"))]
