"""The training runs that are recorded: a name and flags each. Small ones start from `SMALL`, on 64x32 pixels."""

from __future__ import annotations

from collections.abc import Mapping

Flags = Mapping[str, str]
"""Flags by name; a value of several words is several values, "" none."""

ONE_THREAD = {"engine.threads": "1", "pixels.workers": "1", "device": "cpu", "seed": "0", "loggers": ""}
SMALL = {
    **ONE_THREAD,
    "preset": "market1501",
    "backbone": "efficientnet_lite0",
    "height": "64",
    "width": "32",
    "rounds": "1",
    "engine.precision": "float32",
    "distance.kind": "cosine",
    "distance.max-dense-crops": "100000",
    "stage1.epochs": "1",
    "stage1.clusters.number": "12",
    "stage2.epochs": "1",
    "stage2.clusters.number": "25",
    "supervised.epochs": "1",
}
"""The full method with the cosine distance and fixed cuts, from which every row of Tables 1, 2 and 4 starts."""

_LAYERS = {
    1: "blocks.0 blocks.1",
    2: "blocks.2 blocks.3.0",
    3: "blocks.3.1 blocks.3.2 blocks.4",
    4: "blocks.5 blocks.6 bn2",
}


def _layers(*layers: int) -> Flags:
    return {"norm-stages": " ".join(_LAYERS[layer] for layer in layers)}


_CNN = {"stage2.similarity": "cnn"}
_QUANTILES = {
    "stage1.clusters.rule": "quantile",
    "stage1.clusters.quantile": "0.02",
    "stage2.clusters.rule": "quantile",
    "stage2.clusters.quantile": "0.01",
}
_AUTO = {"stage1.clusters.rule": "auto", "stage2.clusters.rule": "auto"}
_GRAPH = {"distance.max-dense-crops": "20", "distance.graph-neighbours": "30"}
_RERANKED = {"distance.kind": "reranked"}

RUNS: dict[str, Flags] = {
    "full": {},  # last rows of Tables 1 and 2, layers 3+4 and a bottleneck's alpha in Table 4, cosine in Table 5
    "two-rounds": {"rounds": "2", **_RERANKED},  # also what is measured, exported and searched
    "table1-stage1": {"stages": "stage1"},
    "table1-stage2-cnn": {"stages": "stage2", **_CNN},
    "table1-both-cnn": _CNN,
    "table1-both-eq9": {"stage2.similarity": "overlap"},
    "table2-bn": {"norm": "bn"},  # and Table 4's "nowhere"
    "table2-ibn": {"norm": "ibn"},
    "table2-in": {"norm": "in"},
    "table2-aibn-fixed": {"norm": "aibn-fixed"},
    "table4-all-layers": _layers(1, 2, 3, 4),
    "table4-layers-1-2": _layers(1, 2),
    "table4-layer-4": _layers(4),
    "table4-layers-2-3-4": _layers(2, 3, 4),
    "table4-alpha-of-nobody": {"alpha-sharing": "none"},
    "table4-alpha-of-a-layer": {"alpha-sharing": "stage"},
    "supervised": {"supervised": "", "rounds": "2"},
    "table3-bn": {"supervised": "", "norm": "bn"},
    "reranked": _RERANKED,
    "graph": _GRAPH,
    "graph-reranked": {**_GRAPH, **_RERANKED},
    "graph-eq9": {**_GRAPH, "stage2.similarity": "overlap"},
    "quantile": {**_QUANTILES, **_RERANKED},
    "quantile-graph": {**_QUANTILES, **_GRAPH},
    "auto": {**_AUTO, **_RERANKED},
    "auto-graph": {**_AUTO, **_GRAPH},
    "pixels-cached": {"pixels.source": "cache"},
    "pixels-decoded": {"pixels.source": "decode"},
    "mean-steps": {"stage1.steps-per-epoch": "mean", "stage1.crops-per-camera": "4"},
    "two-parts": {"engine.parts": "2"},
    "no-triplet": {"stage2.triplet-weight": "0"},
}
"""On the small data laid out like Market-1501."""


def words(flags: Flags) -> list[str]:
    """Return flags as the command line takes them."""
    return [word for name, value in flags.items() for word in (f"--{name}", *value.split())]


def small(name: str) -> list[str]:
    """Return the flags of a small run."""
    return words({**SMALL, **RUNS[name]})
