"""Flags that a command does not have: what other programs call by that name, or the nearest that there is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from iics.cli.given_flags import Flag, given_flags, looks_like_flag, spelt
from iics.errors import SettingsError

_RATES = (
    "--stage1.backbone-learning-rate",
    "--stage1.head-learning-rate",
    "--stage2.backbone-learning-rate",
    "--stage2.head-learning-rate",
)
_BATCH = ("--stage1.crops-per-camera", "--stage2.clusters-per-batch", "--stage2.crops-per-cluster")
_ALIKE: dict[tuple[str, ...], tuple[str, ...]] = {
    ("lr", "learning-rate", "base-lr", "backbone-lr", "head-lr"): _RATES,
    ("batch-size", "batch", "bs", "b", "train-batch-size", "batchsize"): ("--batch-size", *_BATCH),
    ("test-batch-size", "eval-batch-size", "test-batch"): ("--batch-size", "--inference-batch-size"),
    ("epochs", "epoch", "max-epoch", "max-epochs", "num-epochs", "iters", "max-iter"): (
        "--rounds",
        "--stage1.epochs",
        "--stage2.epochs",
    ),
    ("gpu", "gpus", "gpu-id", "gpu-ids", "gpu-devices", "cuda", "device-id", "use-gpu", "no-cuda", "cpu", "use-cpu"): (
        "--device",
    ),
    ("workers", "num-workers", "j", "dataloader-num-workers", "nw"): ("--pixels.workers", "--engine.threads"),
    ("threads", "num-threads", "jobs"): ("--engine.threads", "--threads", "--pixels.workers"),
    ("arch", "a", "model-name", "network", "net", "encoder", "architecture", "model"): ("--backbone",),
    ("pretrained", "pretrain", "checkpoint", "ckpt", "init", "init-weights", "load-weights", "pretrained-path"): (
        "--weights",
    ),
    (
        "data",
        "dataset",
        "datasets",
        "data-path",
        "root",
        "root-dir",
        "data-root",
        "dataset-dir",
        "input",
        "source",
        "d",
    ): ("--data-dir",),
    ("output", "output-dir", "save-dir", "logs-dir", "log-dir", "logdir", "o", "name", "exp-name", "work-dir"): (
        "--out",
    ),
    ("image-size", "img-size", "imgsz", "input-size", "size", "resolution", "size-train"): ("--height", "--width"),
    ("h",): ("--height",),
    ("w",): ("--width",),
    ("amp", "fp16", "half", "bf16", "mixed-precision", "dtype"): ("--engine.precision",),
    ("accumulate", "gradient-accumulation-steps", "accum"): ("--engine.parts",),
    ("config", "cfg", "config-file", "c"): ("--preset",),
    ("num-instances", "instances", "k"): ("--stage2.crops-per-cluster",),
    ("p",): ("--stage2.clusters-per-batch",),
    ("num-clusters", "n-clusters", "clusters", "num-classes"): ("--stage1.clusters.number", "--stage2.clusters.number"),
    ("eps", "dbscan-eps", "min-samples"): ("--stage2.clusters.rule",),
    ("k1",): ("--distance.k1",),
    ("k2",): ("--distance.k2",),
    ("mu",): ("--stage2.mu",),
    ("margin",): ("--stage2.triplet-margin",),
    ("wd",): ("--weight-decay",),
    ("random-seed", "manual-seed"): ("--seed",),
    ("logger", "wandb", "use-wandb", "tensorboard", "tb"): ("--loggers",),
    ("topk", "top-k", "n", "num-results"): ("--top",),
    ("rerank", "re-rank", "re-ranking", "reranking"): ("--rerank", "--distance.kind"),
    ("eval", "test", "eval-only", "test-only", "evaluate-only"): (),
    ("dist", "distributed", "world-size", "local-rank", "nproc", "num-gpus", "multi-gpu"): (),
}
"""By the names that other programs have for it: the flags of ours that set it."""
_OTHERWISE = {
    "eval": "Measuring is a command of its own: iics evaluate RUN DATA.",
    "dist": "Several processes are started by torchrun: torchrun --nproc-per-node 4 -m iics train ...",
    "data": "Data is named without a flag: iics COMMAND cameras.",
}
"""What is not done by a flag, or not by one alone, by the first of its names."""


def check_flags_known(arguments: Sequence[str], flags: Mapping[str, Flag], *, command: str) -> None:
    """Refuse a flag that the command does not have, with what is probably meant.

    Raises:
        SettingsError: If there is one.
    """
    for piece in given_flags(arguments, flags):
        word = piece.words[0]
        if word == "--":  # the rest are words, whatever they look like
            return
        if piece.flag is None and looks_like_flag(word):
            raise SettingsError(
                f"iics {command} has no {word.partition('=')[0]}. {hint(word, flags)}All flags: iics {command} "
                "--help-all."
            )


def hint(word: str, flags: Mapping[str, Flag]) -> str:
    """Return what may be meant by a flag that there is not, as sentences that end in a space; "" for no idea."""
    name = spelt(word).lstrip("-").lower()
    alike = next((names for names in _ALIKE if name in names), None)
    otherwise = "" if alike is None or alike[0] not in _OTHERWISE else f"{_OTHERWISE[alike[0]]} "
    meant = [] if alike is None else [flag for flag in _ALIKE[alike] if flag in flags]
    if name.startswith("own.") and not any(flag.startswith("--own.") for flag in flags):
        otherwise = "Flags --own.NAME are of a method that has settings of its own; name it by --method. "
    if not meant and not otherwise:
        meant = _nearest(name, flags)
    if not meant:
        return otherwise
    *others, last = meant
    return f"{otherwise}Did you mean {', '.join(others)}{' or ' if others else ''}{last}? "


def _nearest(name: str, flags: Mapping[str, Flag]) -> list[str]:
    """Return flags whose name, or whose last part, is spelt nearly so; those without a group before those with one."""
    by_part: dict[str, list[str]] = {}
    for flag in sorted(flags, key=lambda name: name.count(".")):  # stable: else as the command lists them
        for part in {flag.lstrip("-"), flag.lstrip("-").rpartition(".")[2]}:
            by_part.setdefault(part, []).append(flag)
    near = difflib.get_close_matches(name, by_part, n=3, cutoff=0.75)
    return list(dict.fromkeys(flag for part in near for flag in by_part[part]))[:4]
