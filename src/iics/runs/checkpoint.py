"""A checkpoint of a run: all that it needs to go on after a stage, in one file with a hash of its contents."""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from iics.atomic import write_atomically
from iics.errors import RunFolderError
from iics.models.heads import BNNeckHead
from iics.runs.run_files import fault_of_record, parse_json, read_bytes

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
        run: Which run it is of, as `RunData.run`; "" in checkpoints of older versions.
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
    run: str = ""

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
        checkpoint = Checkpoint(**values)
        _check(checkpoint)
    except (pickle.UnpicklingError, RuntimeError, TypeError, ValueError, KeyError, EOFError, RunFolderError) as error:
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
        "stage": str,
        "backbone": dict,
        "heads": list,
        "record": str,
        "history": list,
        "optimiser": dict | None,
        "run": str,
        **dict.fromkeys(LABEL_FIELDS, Tensor | None),
    }
    for field in fields(checkpoint):
        value = getattr(checkpoint, field.name)
        if not isinstance(value, kinds[field.name]):
            raise TypeError(f"{field.name} is of type {type(value).__name__}")
    if checkpoint.stage not in get_args(StageName) or checkpoint.round_index < 0:
        raise TypeError(f"it is of stage {checkpoint.stage} in round {checkpoint.round_index + 1}")
    for text in checkpoint.history:
        fault = fault_of_record(parse_json(text, where="its history"))
        if fault is not None:
            raise TypeError(f"a record {fault}")
    parse_json(checkpoint.record, where="its record")
