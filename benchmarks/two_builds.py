"""Two builds of this project beside each other on one machine: steps, features and whole rounds, in turn.

Run: python -m benchmarks.two_builds OLD NEW [--only steps round] [...]   (--help tells all)

OLD and NEW are Python interpreters in whose environments the builds are installed, or that see their sources. Each
build stays alive in a process of its own and does one run at a time when told to; what slows the machine for a while
slows both. Times are medians. A round is `iics train sample --rounds 1`, a process each, from start to end.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iics.cli.machine import computer_line

WORKER = Path(__file__).with_name("build_worker.py")
PHASES = ("stage1", "stage2", "features")
NETWORKS = {
    "lite0": ("efficientnet_lite0", 128, 64),
    "resnet50": ("resnet50", 256, 128),
    "resnet18": ("resnet18", 128, 64),
    "mobilenetv2": ("mobilenetv2_100", 128, 64),
}


@dataclass(frozen=True)
class Row:
    """What is timed, and the medians of both builds with all their times."""

    what: str
    old: list[float]
    new: list[float]

    @property
    def times_as_fast(self) -> float:
        """The old build's median over the new one's."""
        return statistics.median(self.old) / statistics.median(self.new)

    def __str__(self) -> str:
        cells = [
            f"{statistics.median(times):.3f} ({min(times):.3f} to {max(times):.3f})" for times in (self.old, self.new)
        ]
        return f"| {self.what} | {cells[0]} | {cells[1]} | {self.times_as_fast:.2f} |"


def main(arguments: list[str] | None = None) -> None:
    asked = parser().parse_args(arguments)
    print(f"<!-- {computer_line()}; builds on {asked.threads} threads, medians of {asked.repeats} (least to most) -->")
    print("| | old, s | new, s | times as fast |\n|---|---|---|---|", flush=True)
    rows = []
    for row in _all(asked):
        print(row, flush=True)
        rows.append({"what": row.what, "old": row.old, "new": row.new, "times_as_fast": row.times_as_fast})
        if asked.out:
            asked.out.write_text(
                json.dumps({"machine": computer_line(), "threads": asked.threads, "rows": rows}, indent=1)
            )


def parser() -> argparse.ArgumentParser:
    asks = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asks.add_argument("old", type=Path, help="interpreter of the old build, e.g. old/.venv/bin/python")
    asks.add_argument("new", type=Path, help="interpreter of the new build")
    asks.add_argument("--only", nargs="+", choices=("steps", "round"), default=("steps", "round"), help="what to time")
    asks.add_argument("--networks", nargs="+", choices=NETWORKS, default=tuple(NETWORKS), help="of steps")
    asks.add_argument("--phases", nargs="+", choices=PHASES, default=PHASES)
    asks.add_argument("--precisions", nargs="+", choices=("float32", "auto", "bf16"), default=("float32", "auto"))
    asks.add_argument(
        "--size", nargs=2, type=int, metavar=("HEIGHT", "WIDTH"), help="of crops; else as the networks usually have"
    )
    asks.add_argument("--extracted", type=int, default=64, help="crops whose features are extracted")
    asks.add_argument("--threads", type=int, default=2)
    asks.add_argument("--repeats", type=int, default=7, help="runs of each build, after one that does not count")
    asks.add_argument("--steps-a-run", type=int, default=1)
    asks.add_argument("--rounds", type=int, default=5, help="rounds of each build")
    flags = 'of `iics train sample`, in one: --train-flags="--weights=none --height=64"'
    asks.add_argument("--train-flags", type=shlex.split, default=[], help=flags)
    asks.add_argument("--out", type=Path, help="JSON file for all times")
    return asks


def _all(asked: argparse.Namespace) -> Iterator[Row]:
    if "steps" in asked.only:
        with working(asked.old, threads=asked.threads) as old, working(asked.new, threads=asked.threads) as new:
            yield from compare_steps(old, new, asked)
    if "round" in asked.only:
        yield from compare_rounds(asked)


Ask = Callable[..., Any]
"""Tells a build what to do; returns its answer."""


@contextmanager
def working(interpreter: Path, *, threads: int) -> Iterator[Ask]:
    """Keep a build at work for the block."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([interpreter, WORKER], **pipes, text=True, env=_limited(threads)) as process:

        def ask(do: str, **about: Any) -> Any:
            print(json.dumps({"do": do, **about}), file=process.stdin, flush=True)
            answer = process.stdout.readline() if process.stdout else ""
            if not answer:
                raise SystemExit(f"{interpreter} gave up at {do} {about}; what it said stands above.")
            return json.loads(answer)

        yield ask


def compare_steps(old: Ask, new: Ask, asked: argparse.Namespace) -> Iterator[Row]:
    """Yield the times of a step, or of the features of some crops, of each network and precision."""
    for name in asked.networks:
        backbone, height, width = NETWORKS[name]
        height, width = asked.size or (height, width)
        for precision in asked.precisions:
            for phase in asked.phases:
                about = {"phase": phase, "backbone": backbone, "height": height, "width": width, "precision": precision}
                about |= {"threads": asked.threads, "extracted": asked.extracted}
                engines = [ask("prepare", **about) for ask in (old, new)]
                times = in_turn(
                    [lambda ask=ask: ask("run", times=asked.steps_a_run) for ask in (old, new)], asked.repeats
                )
                chosen = (
                    "" if engines[0] == engines[1] else f" ({engines[0].split(', ')[1]}, {engines[1].split(', ')[1]})"
                )
                yield Row(f"{name} {height}x{width}, {phase}, {precision}{chosen}", *times)


def in_turn(runs: Sequence[Callable[[], float]], repeats: int) -> list[list[float]]:
    """Return the times of runs that take turns; the first of each does not count."""
    times: list[list[float]] = [[] for _ in runs]
    for repeat in range(repeats + 1):
        for place, run in enumerate(runs):
            seconds = run()
            if repeat > 0:
                times[place].append(seconds)
    return times


def compare_rounds(asked: argparse.Namespace) -> Iterator[Row]:
    """Yield the times of a whole round, from the start of the process to its end, and of its parts."""
    found: list[list[dict[str, float]]] = [[], []]
    for repeat in range(asked.rounds + 1):
        for build, interpreter in zip(found, (asked.old, asked.new), strict=True):
            parts = round_of(interpreter, threads=asked.threads, flags=asked.train_flags)
            if repeat > 0:  # the first compiles kernels and decodes crops
                build.append(parts)
    for part in found[0][0]:
        yield Row(f"round: {part}", *[[parts[part] for parts in build] for build in found])


def round_of(interpreter: Path, *, threads: int, flags: Sequence[str]) -> dict[str, float]:
    """Return the seconds of a round of `iics train sample`: features, labels and steps, the rest, and the whole."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [interpreter, "-m", "iics", "train", "sample", "--rounds", "1", "--out", out, *flags]
        start = time.perf_counter()
        subprocess.run(command, check=True, env=_limited(threads), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        whole = time.perf_counter() - start
        record = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    works = {"features": 0.0, "cluster": 0.0, "train": 0.0}
    for name, numbers in record["phases"].items():
        work = name.rpartition("_")[2]
        if work in works:
            works[work] += numbers["seconds"]
    rest = whole - sum(record["seconds"].values())
    names = {"features": "features", "cluster": "labels", "train": "steps"}
    parts = {names[work]: seconds for work, seconds in works.items()}
    return {**parts, "start, evaluation, report": rest, "whole": whole}


def _limited(threads: int) -> dict[str, str]:
    count = str(threads)
    return {**os.environ, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "NUMBA_NUM_THREADS": count}


if __name__ == "__main__":
    main()
