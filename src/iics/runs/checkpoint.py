"""A checkpoint of a run: all that it needs to go on after a stage, in one file with a hash of its contents."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iics.atomic import write_atomically
from iics.errors import RunFolderError
from iics.models.weights_origin import WeightsOrigin
from iics.runs.record import RecordError, RoundRecord
from iics.runs.run_files import parse_json, read_bytes

_DIGEST_BYTES = hashlib.sha256().digest_size

_FIRST_VERSION_STAGES = ("stage1", "stage2", "supervised")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State of a run after a stage; enough to go on as if nothing had happened.

    Every random choice comes from a generator seeded by (seed, round, stage), so no random state has to be kept.

    Attributes:
        round_index: Round at work, from 0.
        stage_index: The stage that is finished, by its place in the round, from 0.
        stage: Its name.
        backbone: State dict of the backbone.
        state: What the method's next stage needs beside it; known to the method alone.
        labels: Clusters of the round so far, by the name of the stage that found them. Shapes (n,).
        labels_before: Clusters of the round before, likewise, for their stability.
        record: JSON of what the stages of the round recorded.
        history: Lines of metrics.jsonl of the rounds before.
        run: Which run it is of, as `RunData.run`; "" in checkpoints of older versions.
        origin: The weights that the run started from, as `WeightsOrigin`; empty for random ones.
    """

    round_index: int
    stage_index: int
    stage: str
    backbone: dict[str, Tensor]
    state: dict[str, Any]
    labels: dict[str, Tensor]
    labels_before: dict[str, Tensor]
    record: str
    history: list[str]
    run: str = ""
    origin: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> tuple[int, int]:
        """Round and stage, to compare checkpoints by."""
        return self.round_index, self.stage_index


class DamagedError(Exception):
    """What is wrong with a checkpoint, as the end of a sentence."""


def write_checkpoint(file: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, atomically, with a hash of it behind."""
    buffer = io.BytesIO()
    torch.save({**vars(checkpoint)}, buffer)
    content = buffer.getvalue()
    write_atomically(file, content + hashlib.sha256(content).digest())


def read_checkpoint(file: Path) -> Checkpoint:
    """Return the checkpoint in a file.

    Raises:
        DamagedError: If it cannot be read, or is not what `write_checkpoint` wrote.
    """
    try:
        content = read_bytes(file)
    except RunFolderError as error:
        raise DamagedError(f"cannot be read ({error.__cause__})") from error
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise DamagedError("is damaged")
    try:
        values = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
        checkpoint = Checkpoint(**(_of_first_version(values) if "heads" in values else values))
        _check(checkpoint)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
        EOFError,
        RunFolderError,
    ) as error:
        raise DamagedError(f"cannot be read ({error})") from error
    return checkpoint


def _check(checkpoint: Checkpoint) -> None:
    """Refuse fields of a kind that no run has written.

    Raises:
        TypeError: If one is.
        RunFolderError: If one of the records in it is damaged.
    """
    kinds = {
        "round_index": int,
        "stage_index": int,
        "stage": str,
        "backbone": dict,
        "state": dict,
        "labels": dict,
        "labels_before": dict,
        "record": str,
        "history": list,
        "run": str,
        "origin": dict,
    }
    for each in fields(checkpoint):
        value = getattr(checkpoint, each.name)
        if not isinstance(value, kinds[each.name]):
            raise TypeError(f"{each.name} is of type {type(value).__name__}")
    if min(checkpoint.place) < 0:
        raise TypeError(f"it is of stage {checkpoint.stage_index + 1} in round {checkpoint.round_index + 1}")
    if checkpoint.origin:
        WeightsOrigin(**checkpoint.origin)
    for stage, labels in (*checkpoint.labels.items(), *checkpoint.labels_before.items()):
        if not isinstance(labels, Tensor):
            raise TypeError(f"the clusters of {stage} are of type {type(labels).__name__}")
    lines = [parse_json(text, where="its history") for text in checkpoint.history]
    at_work = {"round": checkpoint.round_index + 1, **parse_json(checkpoint.record, where="its record")}
    try:
        for values in (*lines, at_work):
            RoundRecord.of(values)
    except RecordError as error:
        raise TypeError(f"a record {error}") from error


def _of_first_version(values: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint of a version that knew the stages of IICS and supervised training alone, in today's form."""
    record, stage, heads = json.loads(values["record"]), values["stage"], values["heads"]
    if stage == "supervised":
        of_loss = {f"head.{name}": tensor for name, tensor in heads[0].items()}
        state = {"loss": of_loss, "optimiser": values["optimiser"]}
    else:
        state = {"heads": heads}
    labels, before = (
        {name: values[key] for name in ("stage1", "stage2") if (key := f"{name}_{when}") in values}
        for when in ("labels", "labels_before")
    )
    return {
        "round_index": values["round_index"],
        # Its record names the stages of the round that were done; the settings, which name them all, are not here.
        "stage_index": sum(name in record for name in _FIRST_VERSION_STAGES) - 1,
        "stage": stage,
        "backbone": values["backbone"],
        "state": state,
        "labels": {name: found for name, found in labels.items() if found is not None},
        "labels_before": {name: found for name, found in before.items() if found is not None},
        "record": values["record"],
        "history": values["history"],
        "run": values.get("run", ""),
    }
