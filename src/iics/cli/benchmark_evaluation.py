"""`iics benchmark evaluation`: time and memory from features to mAP and CMC, on this machine."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from iics.cli.machine import gigabytes, machine_line, print_table
from iics.cli.parse import parse
from iics.errors import SettingsError, check_setting
from iics.ranges import SEED, check_ranges, number, whole

if TYPE_CHECKING:
    from iics.speed.evaluation_speed import EvaluationSpeed

_TORCH_AND_NUMBA = 0.4e9


@dataclass(frozen=True)
class EvaluationSpeedCommand:
    """Time evaluation beside the product of the features alone, in turn.

    The defaults are of Market-1501's size; --queries 11659 --gallery 82161 --identities 3060 --cameras 15
    --distractors 0 --junk 0 is MSMT17's.
    """

    queries: Annotated[int, whole(1, 10**9)] = 3368
    """Number of queries."""
    gallery: Annotated[int, whole(1, 10**9)] = 15913
    """Number of gallery crops."""
    features: Annotated[int, whole(1, 65536)] = 2048
    """Length of a feature vector."""
    identities: Annotated[int, whole(1, 10**7)] = 750
    """People that queries and gallery show."""
    cameras: Annotated[int, whole(2, 10**4)] = 6
    """Number of cameras."""
    distractors: Annotated[float, number(0, 1, below=True)] = 0.17
    """Share of gallery crops that show somebody else."""
    junk: Annotated[float, number(0, 1, below=True)] = 0.02
    """Share of gallery crops that are junk."""
    rerank: bool = False
    """Whether to evaluate re-ranked, too, once: time grows with the square of all crops."""
    repeats: Annotated[int, whole(1, 1000)] = 5
    """Times are the median of so many runs."""
    seed: Annotated[int, SEED] = 0
    """Of the synthetic features."""
    json: bool = False
    """Print the numbers as JSON."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")
        check_setting(
            self.distractors + self.junk < 1,
            f"--distractors and --junk are shares of the gallery below 1 together, got {self.distractors} and "
            f"{self.junk}.",
        )


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(EvaluationSpeedCommand, arguments, command="benchmark evaluation")
    _check_memory(command)
    from iics.speed.evaluation_speed import measure_evaluation
    from iics.speed.synthetic import synthetic_gallery

    crops = synthetic_gallery(
        command.queries,
        command.gallery,
        num_identities=command.identities,
        num_cameras=command.cameras,
        num_features=command.features,
        distractors=command.distractors,
        junk=command.junk,
        seed=command.seed,
    )
    machine = machine_line(keeps_freed_memory=False)
    speed = measure_evaluation(crops, repeats=command.repeats, rerank=command.rerank)
    if command.json:
        settings = {"what": "evaluation"} | dataclasses.asdict(command)
        print(json.dumps({"settings": settings, "machine": machine, "speed": dataclasses.asdict(speed)}, indent=2))
    else:
        _print(command, machine, speed)
    return 0


def _check_memory(command: EvaluationSpeedCommand) -> None:
    from iics.evaluation.distance_rows import rows_in_a_block
    from iics.evaluation.reranked_rows import Reranking, reranking_memory
    from iics.memory import free_memory

    num_crops = command.queries + command.gallery
    needed = _TORCH_AND_NUMBA + 4 * num_crops * command.features
    needed += 2 * 4 * rows_in_a_block(command.gallery) * command.gallery  # the product's rows, and the evaluation's
    if command.rerank:
        needed += reranking_memory(num_crops, command.features, Reranking())
    free = free_memory()
    if free is not None and needed > free:
        raise SettingsError(
            f"{num_crops:,} crops need about {needed / 1e9:.1f} GB of memory here, {free / 1e9:.1f} GB are free. "
            "Fewer --gallery or --features need less."
        )


def _print(command: EvaluationSpeedCommand, machine: str, speed: EvaluationSpeed) -> None:
    rows = [
        ("queries @ gallery.T alone", speed.product_seconds, None, None),
        ("features to metrics", speed.seconds, speed.peak_bytes, speed.mean_ap),
    ]
    if speed.reranked_seconds is not None:
        rows.append(
            ("features to re-ranked metrics", speed.reranked_seconds, speed.reranked_peak_bytes, speed.reranked_mean_ap)
        )
    print_table(
        f"{command.queries:,} queries x {command.gallery:,} gallery crops, {command.features:,} features, "
        f"{command.identities:,} identities, {command.cameras} cameras; {machine}; medians of "
        f"{command.repeats}, in turn",
        ("", "seconds", "x product", "process holds", "mAP, %"),
        [
            (
                name,
                f"{seconds:.2f}",
                f"{seconds / speed.product_seconds:.2f}",
                gigabytes(peak_bytes),
                "-" if mean_ap is None else f"{100 * mean_ap:.2f}",
            )
            for name, seconds, peak_bytes, mean_ap in rows
        ],
    )
