"""`iics benchmark pseudo-labels`: time and memory of the steps from features to pseudo-labels, on this machine."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from iics.cli.machine import gigabytes, machine_line, print_table
from iics.cli.parse import parse
from iics.errors import SettingsError, check_setting
from iics.ranges import SEED, check_ranges, number, whole

if TYPE_CHECKING:
    from iics.speed.pseudo_label_speed import Labelling, Step


@dataclass(frozen=True)
class PseudoLabelsCommand:
    """Time the steps from features to pseudo-labels, once, and the whole way, on synthetic crops."""

    crops: Annotated[int, whole(2, 10**9)] = 5000
    """Number of crops."""
    cameras: Annotated[int, whole(1, 10**4)] = 6
    """Number of cameras."""
    scores: Annotated[int, whole(1, 10**7)] = 3600
    """Outputs of all cameras' classifiers together."""
    features: Annotated[int, whole(1, 65536)] = 2048
    """Length of a feature vector."""
    noise: Annotated[float, number(0, 100)] = 1.0
    """How much crops of one identity differ; an identity's own part has length 1, a camera's offset 0.5."""
    temperature: Annotated[float, number(0, 100, above=True)] = 0.1
    """Small values make scores peaked: try 0.02."""
    route: Literal["dense", "graph"] = "dense"
    """dense compares all pairs; graph only neighbours, for more crops than a matrix of all pairs has room for."""
    graph_neighbours: Annotated[int, whole(21, 10**4)] = 100
    """Neighbours of each crop in the graph."""
    neighbour_search: Literal["exact", "faiss"] = "exact"
    """How the graph's neighbours are found."""
    repeats: Annotated[int, whole(1, 1000)] = 3
    """The time of the whole way is the median of so many runs."""
    seed: Annotated[int, SEED] = 0
    """Of the synthetic crops."""
    json: bool = False
    """Print the numbers as JSON."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")
        needed = max(2, self.cameras)
        check_setting(
            self.crops >= needed, f"--crops must be at least {needed} for {self.cameras} cameras, got {self.crops}."
        )
        check_setting(self.scores >= self.cameras, f"--scores must be at least 1 a camera, got {self.scores}.")
        check_setting(
            self.route == "graph" or self.neighbour_search == "exact",
            "--neighbour-search faiss searches the graph's neighbours; it needs --route graph.",
        )


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(PseudoLabelsCommand, arguments, command="benchmark pseudo-labels")
    _check_memory(command)
    from iics.memory import keep_freed_memory
    from iics.similarity.faiss_search import check_faiss
    from iics.speed import pseudo_label_speed as speed
    from iics.speed.synthetic import synthetic_crops

    if command.neighbour_search == "faiss":
        check_faiss()
    machine = machine_line(keeps_freed_memory=keep_freed_memory())
    crops = synthetic_crops(
        command.crops,
        num_cameras=command.cameras,
        num_scores=command.scores,
        num_features=command.features,
        noise=command.noise,
        temperature=command.temperature,
        seed=command.seed,
    )
    speed.warm_up(crops)
    is_dense = command.route == "dense"
    labelling = speed.measure_labelling(
        crops,
        max_dense=speed.ALL_DENSE if is_dense else 1,
        repeats=command.repeats,
        neighbours=command.graph_neighbours,
        search=command.neighbour_search,
    )
    steps = speed.measure_steps(crops) if is_dense else []
    if command.json:
        settings = {"what": "pseudo-labels"} | dataclasses.asdict(command)
        values: dict[str, Any] = {"settings": settings, "machine": machine}
        values |= {"steps": [dataclasses.asdict(step) for step in steps], "labelling": dataclasses.asdict(labelling)}
        print(json.dumps(values, indent=2))
    else:
        _print(command, machine, steps, labelling)
    return 0


def _check_memory(command: PseudoLabelsCommand) -> None:
    from iics.config import ClusterSettings, DistanceSettings
    from iics.labelling.labeller import labeller_of
    from iics.memory import free_memory

    inputs = 4 * command.crops * (command.scores + 2 * command.features)
    distance = DistanceSettings(
        max_dense_crops=command.crops if command.route == "dense" else 1,
        graph_neighbours=command.graph_neighbours,
        neighbour_search=command.neighbour_search,
    )
    work = labeller_of(distance, ClusterSettings()).memory(command.crops, num_features=command.features)
    free = free_memory()
    if free is not None and inputs + work > free:
        way_out = "Fewer --crops" + (" or --route graph" if command.route == "dense" else "") + " need less."
        raise SettingsError(
            f"{command.crops:,} crops need about {(inputs + work) / 1e9:.1f} GB of memory here, {free / 1e9:.1f} GB "
            f"are free. {way_out}"
        )


def _print(command: PseudoLabelsCommand, machine: str, steps: list[Step], labelling: Labelling) -> None:
    print_table(
        f"{command.crops:,} synthetic crops, {command.cameras} cameras, {command.scores:,} scores, "
        f"{command.features:,} features; {machine}; steps timed once, the whole medians of {command.repeats}",
        ("step", "seconds", "process holds"),
        [(step.name, f"{step.seconds:.2f}", gigabytes(step.peak_bytes)) for step in [*steps, labelling.step]],
    )
    print(
        f"{labelling.num_clusters:,} clusters; adjusted Rand index with the known identities "
        f"{labelling.adjusted_rand_index:.3f}."
    )
