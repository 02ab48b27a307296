"""Settings: frozen, self-checking, stored with every run. The defaults are the paper's for Market-1501 (Sec. 4.2).

Only orchestrators and the command line see a `Settings`; leaf functions receive plain values. Each field's text is its
command-line help. The presets are in `iics.presets`; JSON in `iics.settings_json`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

import tyro

from iics.computing_settings import EngineSettings, PixelSettings
from iics.errors import check_setting
from iics.model_settings import AugmentSettings, ModelSettings
from iics.ranges import SEED, check_ranges, number, whole
from iics.tracklet_settings import TrackletSettings

Centre = Literal["off", "on", "auto"]
DEFAULT_CENTRE: Centre = "off"
"""Whether features are compared less their camera's mean (`iics.models.centring`), everywhere that it can be said."""
LoggerName = Literal["tensorboard", "wandb", "mlflow"]
RateSchedule = Literal["constant", "cosine"]
Centring = Literal["off", "mean", "scaled"]
Rate = Annotated[float, number(0, 10, above=True)]


@dataclass(frozen=True)
class DistanceSettings:
    """The distance that is clustered, in both stages unless stage2.distance names another."""

    kind: str = "reranked"
    """reranked (k-reciprocal; the paper's rows marked ++), cosine (marked +), jaccard or camera-jaccard."""
    k1: Annotated[int, whole(1, 1000)] = 20
    """Neighbours searched for reciprocity."""
    k2: Annotated[int, whole(1, 1000)] = 6
    """Neighbours averaged in query expansion."""
    lambda_value: Annotated[float, number(0, 1)] = 0.3
    """Share of the original distance in the re-ranked one."""
    max_dense_crops: Annotated[int, whole(0, 2**31 - 1)] = 0
    """Crops up to which all pairs are compared; above, a graph of neighbours. 0: as many as a third of memory holds."""
    graph_neighbours: Annotated[int, whole(2, 10**4)] = 100
    """Neighbours each crop has in that graph, itself included; memory grows with them."""
    neighbour_search: str = "exact"
    """How the graph's neighbours are found: exact (all pairs, in blocks) or faiss (approximate; extra `faiss`)."""
    k1_intra: Annotated[int, whole(1, 1000)] = 5
    """For camera-jaccard: neighbours in a crop's own camera searched for reciprocity."""
    k1_inter: Annotated[int, whole(1, 1000)] = 20
    """For camera-jaccard: one less than the neighbours in the other cameras searched for reciprocity."""
    k2_intra: Annotated[int, whole(1, 1000)] = 2
    """For camera-jaccard: neighbours in the own camera averaged, the crop itself included."""
    k2_inter: Annotated[int, whole(0, 1000)] = 4
    """For camera-jaccard: neighbours in the other cameras averaged."""
    k2_first_round: Annotated[int, whole(1, 1000)] = 3
    """For camera-jaccard in stage 2 of the first round: neighbours averaged of either list."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="distance.")
        check_setting(
            self.graph_neighbours > max(self.k1, self.k2),
            f"distance.graph_neighbours must be more than k1 and k2, {self.k1} and {self.k2}, "
            f"got {self.graph_neighbours}.",
        )


@dataclass(frozen=True)
class ClusterSettings:
    """How many clusters a dendrogram is cut into."""

    rule: str = "fixed"
    """fixed number, quantile of all pairs, auto (chosen from the dendrogram without labels), or density (DBSCAN)."""
    number: Annotated[int, whole(2, 10**7)] = 600
    """Clusters for `fixed`; never more than half as many as there are crops."""
    quantile: Annotated[float, number(0, 1, above=True, below=True)] = 0.0025
    """For `quantile`: cut at the distance below which this share of all pairs lies."""
    eps: Annotated[float, number(0, 2, above=True)] = 0.5
    """For `density`: largest distance of neighbours. 0.4 to 0.6 suits Jaccard distances, --distance.lambda-value 0."""
    min_crops: Annotated[int, whole(2, 10**4)] = 4
    """For `density`: crops that the middle of a cluster has within eps, itself included; others are in no cluster."""
    grow: Annotated[float, number(0, 2)] = 0.0
    """For `density`: clusters and other crops join up to this mean distance; min-crops still holds. 0: they do not."""
    least: Annotated[int, whole(0, 10**7)] = 0
    """For `density` in stage 2: with fewer clusters to train on than this, the round cuts as `auto` does, into all."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="clusters.")


@dataclass(frozen=True)
class ProxySettings:
    """Camera proxies: the mean feature of a cluster's crops of one camera, and a loss that compares crops with them."""

    weight: Annotated[float, number(0, 1000)] = 0.0
    """Weight beside the loss over labels; 0: none."""
    positives: Literal["offline", "online", "both"] = "offline"
    """What draws a crop: its cluster's proxies of other cameras (offline), those features find (online), or both."""
    temperature: Annotated[float, number(0, 10, above=True)] = 0.07
    """Similarities are divided by it."""
    negatives: Annotated[int, whole(1, 10**5)] = 50
    """The most similar proxies of other clusters, which push a crop away."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="proxies.")


@dataclass(frozen=True)
class Stage1Settings:
    """Intra-camera training (Sec. 3.2)."""

    epochs: Annotated[int, whole(1, 1000)] = 2
    """Epochs a round."""
    crops_per_camera: Annotated[int, whole(2, 1024)] = 8
    """Crops of each camera in a step; also the size of a normalisation group."""
    steps_per_epoch: Literal["shortest", "mean", "longest"] = "shortest"
    """Steps an epoch: as many as the smallest, the mean or the largest camera fills; small cameras are cycled."""
    backbone_learning_rate: Rate = 0.0005
    """Learning rate of the backbone."""
    head_learning_rate: Rate = 0.005
    """Learning rate of the classifier heads."""
    clusters: ClusterSettings = field(default_factory=ClusterSettings)
    """Clusters in each camera."""
    centring: Centring = "off"
    """Cluster features less their camera's mean: off, mean, or scaled (divided by the standard deviation, too)."""
    rates: RateSchedule = "constant"
    """Learning rates within the stage: constant (the paper's), or cosine: falling to 0, in every round anew."""
    rounds: Annotated[int, whole(0, 10**4)] = 0
    """Rounds, from the first, that have this stage before the other; later ones compare features alone. 0: all."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="stage1.")


@dataclass(frozen=True)
class Stage2Settings:
    """Inter-camera training (Sec. 3.3)."""

    epochs: Annotated[int, whole(1, 1000)] = 2
    """Epochs a round."""
    clusters_per_batch: Annotated[int, whole(2, 1024)] = 16
    """P: clusters in a batch."""
    crops_per_cluster: Annotated[int, whole(2, 1024)] = 4
    """K: crops of each cluster in a batch."""
    backbone_learning_rate: Rate = 0.001
    """Learning rate of the backbone."""
    head_learning_rate: Rate = 0.01
    """Learning rate of the classifier head."""
    similarity: str = "inter-camera"
    """What is clustered: inter-camera (Eq. 5), overlap (Eq. 9 alone) or cnn (features alone)."""
    mu: Annotated[float, number(0, 100)] = 0.02
    """Weight of the score overlap in Eq. 5 in the first round."""
    mu_power: Annotated[float, number(0, 100)] = 0.6
    """Exponent of mu's decay: mu * (1 - round / rounds) ^ mu_power."""
    triplet_weight: Annotated[float, number(0, 1000)] = 1.0
    """Lambda: weight of the triplet loss in Eq. 11."""
    triplet_margin: Annotated[float, number(0, 1000)] = 0.3
    """Margin of the triplet loss."""
    loss: str = "classifier-triplet"
    """What is minimised over pseudo-labels: classifier-triplet (Eq. 11)."""
    clusters: ClusterSettings = field(default_factory=lambda: ClusterSettings(number=800, quantile=0.0017))
    """Clusters over all cameras."""
    centring: Centring = "off"
    """Cluster features less their camera's mean: off, mean, or scaled (divided by the standard deviation, too)."""
    one_camera_clusters: Literal["keep", "drop", "weigh"] = "keep"
    """Clusters of one camera: keep, drop (their crops do not train), or weigh all by exp(entropy of their cameras)."""
    camera_diverse: bool = False
    """Whether a cluster's crops in a batch come from as many cameras as it has."""
    proxies: ProxySettings = field(default_factory=ProxySettings)
    """Means of clusters in cameras, compared with beside the loss."""
    distance: str = ""
    """Distance of stage 2 alone, e.g. camera-jaccard, by its name. Empty: that of --distance.kind, as in stage 1."""
    rates: RateSchedule = "constant"
    """Learning rates within the stage: constant (the paper's), or cosine: falling to 0, in every round anew."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="stage2.")


@dataclass(frozen=True)
class SupervisedSettings:
    """Training with identities (Table 3); the paper gives no constants for it."""

    epochs: Annotated[int, whole(1, 1000)] = 2
    """Epochs a round."""
    identities_per_batch: Annotated[int, whole(2, 1024)] = 16
    """P: identities in a batch."""
    crops_per_identity: Annotated[int, whole(2, 1024)] = 4
    """K: crops of each identity in a batch."""
    backbone_learning_rate: Rate = 0.01
    """Learning rate of the backbone in the first step; it falls to 0 along a cosine over the whole run."""
    head_learning_rate: Rate = 0.1
    """Learning rate of the classifier head, likewise."""
    triplet_weight: Annotated[float, number(0, 1000)] = 1.0
    """Lambda: weight of the triplet loss in Eq. 11."""
    triplet_margin: Annotated[float, number(0, 1000)] = 0.3
    """Margin of the triplet loss."""
    loss: str = "classifier-triplet"
    """What is minimised over identities: classifier-triplet (Eq. 11)."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="supervised.")


@dataclass(frozen=True)
class Settings:
    """Everything that decides what a run computes, and where its numbers go."""

    model: Annotated[ModelSettings, tyro.conf.arg(name="")] = field(default_factory=ModelSettings)
    """The network; its flags carry no prefix: --backbone, --weights, --norm."""
    pixels: PixelSettings = field(default_factory=PixelSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    distance: DistanceSettings = field(default_factory=DistanceSettings)
    stage1: Stage1Settings = field(default_factory=Stage1Settings)
    stage2: Stage2Settings = field(default_factory=Stage2Settings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    supervised: SupervisedSettings = field(default_factory=SupervisedSettings)
    method: str = "iics"
    """How to train: iics, cluster-contrast or camera-proxies (all without identities), or supervised (Table 3)."""
    rounds: Annotated[int, whole(1, 10**4)] = 40
    """Rounds of the method's stages."""
    stages: Literal["both", "stage1", "stage2"] = "both"
    """Which stages a round of the method iics has (Table 1)."""
    momentum: Annotated[float, number(0, 1, below=True)] = 0.9
    """Momentum of SGD, in every stage."""
    weight_decay: Annotated[float, number(0, 1)] = 0.0005
    """Weight decay of SGD, in every stage."""
    inference_batch_size: Annotated[int, whole(1, 4096)] = 128
    """Crops in a batch when features are extracted."""
    seed: Annotated[int, SEED] = 0
    """Seed of every random choice; the same seed on the same machine gives the same result."""
    device: str = "auto"
    """Device to train on: auto, cpu, cuda, cuda:1, mps."""
    loggers: tuple[LoggerName, ...] = ("tensorboard",)
    """Where numbers go beside metrics.jsonl; wandb and mlflow need the extra of that name. May be empty."""
    own: Annotated[Any, tyro.conf.Suppress, tyro.conf.Fixed] = None
    """What only the method is told: the dataclass that it names as its `settings`. None if it has none."""
    centre: Centre = DEFAULT_CENTRE
    """Whether rounds are measured on features less their camera's mean: off, on, or auto (chosen without labels); the
    other kind is recorded beside it."""
    tracklets: TrackletSettings = field(default_factory=TrackletSettings)

    def __post_init__(self) -> None:
        check_ranges(self)
        names = get_args(LoggerName)
        check_setting(
            set(self.loggers) <= set(names) and len(set(self.loggers)) == len(self.loggers),
            f"loggers must be names out of {', '.join(names)}, each once, got {' '.join(map(str, self.loggers))}.",
        )
        check_setting(
            self.method == "iics" or self.stages == "both",
            f"--stages {self.stages} is of the method iics; --method {self.method} has its own stages.",
        )
