"""Time and memory of pseudo-labels: the tables and the plot of docs/performance.md.

Run: python benchmarks/pseudo_labels.py [steps] [large] [growth] [graph]   (all, if none is named)

Every line is a process of its own, so that no peak of memory is another's: `iics benchmark pseudo-labels --json`, and
for `steps`, beside plain forms, `python -m benchmarks.labelling_steps`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PLOT = Path(__file__).parent.parent / "docs" / "pseudo_label_growth.png"
GROWTH = (2000, 4000, 8000, 16000, 32000)
GRAPH = (16000, 100_000, 200_000)


def main() -> None:
    chosen = sys.argv[1:] or ["steps", "large", "growth", "graph"]
    for name in chosen:
        {"steps": steps, "large": large, "growth": growth, "graph": graph}[name]()


def run(**flags: object) -> dict[str, Any]:
    """Return what one benchmark process printed."""
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    command = [sys.executable, "-m", "iics", "benchmark", "pseudo-labels", "--json", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def header(*cells: str) -> None:
    print()
    row(*cells)
    print("|" + "---|" * len(cells))


def gigabytes(step: dict[str, Any]) -> str:
    return f"{step['peak_bytes'] / 1e9:.2f}"


def steps() -> None:
    for crops in (5000, 12_936):
        command = [sys.executable, "-m", "benchmarks.labelling_steps", str(crops)]
        subprocess.run(command, check=True, cwd=PLOT.parent.parent)


def large() -> None:
    result = run(crops=32_621, cameras=15, scores=9000, repeats=1)
    header("step", "s", "peak GB")
    for step in [*result["steps"], result["labelling"]["step"]]:
        row(step["name"], f"{step['seconds']:.1f}", gigabytes(step))


def growth() -> None:
    results = [run(crops=crops, repeats=3 if crops <= 8000 else 1) for crops in GROWTH]
    names = [step["name"] for step in results[0]["steps"]]
    header("crops", *[f"{name}, s" for name in names], "whole, s", "whole, peak GB", "ARI")
    for crops, result in zip(GROWTH, results, strict=True):
        whole = result["labelling"]
        seconds = [f"{step['seconds']:.2f}" for step in result["steps"]]
        row(
            f"{crops:,}", *seconds, f"{whole['step']['seconds']:.2f}", gigabytes(whole["step"]),
            f"{whole['adjusted_rand_index']:.3f}",
        )  # fmt: skip
    plot(names, results)


def plot(names: list[str], results: list[dict[str, Any]]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for at, name in enumerate(names):
        left.loglog(GROWTH, [result["steps"][at]["seconds"] for result in results], marker="o", label=name)
    whole = [result["labelling"]["step"] for result in results]
    left.loglog(GROWTH, [step["seconds"] for step in whole], marker="s", color="black", label="whole labelling")
    left.set_ylabel("seconds")
    left.legend()
    right.loglog(GROWTH, [step["peak_bytes"] / 1e9 for step in whole], marker="s", color="black", label="process")
    right.loglog(
        GROWTH, [4 * crops**2 / 1e9 for crops in GROWTH], linestyle=":", color="grey", label="one n x n float32"
    )
    right.set_ylabel("peak memory, GB")
    right.legend()
    for axes in (left, right):
        axes.set_xlabel("crops")
        axes.set_xticks(GROWTH, [f"{crops:,}" for crops in GROWTH])
        axes.minorticks_off()
        axes.grid(visible=True, alpha=0.3)
    figure.suptitle("Stage-2 labelling, 6 cameras, 3,600 scores, 2,048 features, 2 cores")
    figure.savefig(PLOT, dpi=110)


def graph() -> None:
    header("crops", "route", "neighbours", "s", "peak GB", "clusters", "ARI")
    report(run(crops=GRAPH[0], repeats=1))
    for crops in GRAPH:
        for search in ("exact", "faiss"):
            report(run(crops=crops, route="graph", neighbour_search=search, repeats=1))


def report(result: dict[str, Any]) -> None:
    settings, labelling = result["settings"], result["labelling"]
    is_graph = settings["route"] == "graph"
    row(
        f"{settings['crops']:,}", settings["route"], settings["neighbour_search"] if is_graph else "-",
        f"{labelling['step']['seconds']:.1f}", gigabytes(labelling["step"]), f"{labelling['num_clusters']:,}",
        f"{labelling['adjusted_rand_index']:.3f}",
    )  # fmt: skip


if __name__ == "__main__":
    main()
