"""Settings: frozen, self-checking, stored with every run. The defaults are the paper's for Market-1501 (Sec. 4.2).

Only orchestrators and the command line see a `Settings`; leaf functions receive plain values. Each field's text is its
command-line help. The presets are in `iics.presets`; JSON in `iics.settings_json`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

import tyro

from iics.arrays import Colour
from iics.computing_settings import EngineSettings, PixelSettings
from iics.errors import check_setting
from iics.ranges import SEED, check_ranges, number, whole
from iics.subjects import Fit, SubjectName
from iics.tracklet_settings import TrackletSettings

NormKind = Literal["aibn", "aibn-fixed", "bn", "in", "ibn", "own"]
AlphaSharing = Literal["none", "block", "stage"]
Centre = Literal["off", "on", "auto"]
DEFAULT_CENTRE: Centre = "off"
"""Whether features are compared less their camera's mean (`iics.models.centring`), everywhere that it can be said."""
LoggerName = Literal["tensorboard", "wandb", "mlflow"]
RateSchedule = Literal["constant", "cosine"]
Centring = Literal["off", "mean", "scaled"]
Rate = Annotated[float, number(0, 10, above=True)]
IMAGENET_GREY = "7c7468"
"""ImageNet's mean colour: what a network takes for nothing."""


@dataclass(frozen=True)
class ModelSettings:
    """The network that makes the features."""

    backbone: str = "resnet50"
    """Backbone by its timm name, e.g. resnet50, vit_small_patch16_224; or hf-hub:OWNER/NAME, local-dir:FOLDER."""
    weights: str = "imagenet"
    """Start from `imagenet` (what timm has for that name), `none` (random), a trained run or its model, or a file of
    others (docs/evaluation.md)."""
    norm: NormKind = "aibn"
    """Normalisation in the norm stages: aibn (Eq. 12), aibn-fixed (alpha stays 0.5), bn, in, or ibn (IBN-a). own: of a
    network without batch norms, as transformers are; it is then taken by itself."""
    norm_stages: tuple[str, ...] = ()
    """Module names whose batch norms are replaced, e.g. layer3 layer4. Empty: the later half of the backbone."""
    alpha_sharing: AlphaSharing = "block"
    """Who shares one alpha: none (every layer its own), block (a bottleneck), stage (a layer of ResNet)."""
    last_stride: Literal[1, 2] = 1
    """Stride of the last stage: 1, as the paper trains, or 2, as ImageNet networks have it (faster, coarser)."""
    height: Annotated[int, whole(32, 2048)] = 256
    """Height that crops are resized to, in pixels."""
    width: Annotated[int, whole(32, 2048)] = 128
    """Width that crops are resized to, in pixels."""
    pooling: Literal["average", "gem"] = "average"
    """How the last map becomes a feature: average, or gem (generalised mean; its power starts at 3 and is learned)."""
    neck: Literal["none", "batchnorm"] = "none"
    """What follows the pooling: none, or batchnorm, whose output is then the feature for labels, tests and search."""
    layer_decay: Annotated[float, number(0, 1, above=True)] = 1.0
    """Each block of the backbone learns at so many times the rate of the block behind it; 1: all alike."""
    freeze_patch_embedding: bool = False
    """Whether the layer that makes patches of crops, in transformers, keeps its weights."""
    subject: SubjectName = "person"
    """What crops show: person, vehicle, animal, other; sets defaults of mirror, fit and size, and words of texts."""
    mirror: bool = True
    """Whether a crop and its mirror image show the same one: training mirrors, features are the mean of both."""
    fit: Fit = "stretch"
    """How a crop comes to its size: stretch, or letterbox: it keeps its shape, letterbox_colour fills the rest."""
    letterbox_colour: str = IMAGENET_GREY
    """Colour that letterbox fills with: six hexadecimal digits, e.g. 000000 for black; by default ImageNet's mean."""

    def __post_init__(self) -> None:
        check_ranges(self)
        check_setting(self.last_stride in (1, 2), f"The last stride is 1 or 2, got {self.last_stride}.")
        check_setting(
            re.fullmatch("[0-9a-fA-F]{6}", self.letterbox_colour) is not None,
            "The letterbox colour is red, green and blue as six hexadecimal digits, e.g. 000000 for black, got "
            f"{self.letterbox_colour!r:.40}.",
        )
        check_setting(
            self.fit == "letterbox" or self.letterbox_colour == IMAGENET_GREY,
            f"--letterbox-colour {self.letterbox_colour} fills what --fit letterbox leaves free, and --fit {self.fit} "
            "leaves nothing free. Take --fit letterbox, or leave the colour out.",
        )

    @property
    def letterbox(self) -> Colour | None:
        """The colour that is filled around a crop which keeps its shape; None where crops are stretched."""
        if self.fit == "stretch":
            return None
        red, green, blue = bytes.fromhex(self.letterbox_colour)
        return red, green, blue


@dataclass(frozen=True)
class AugmentSettings:
    """What training crops go through (Sec. 4.2; the probabilities are the field's)."""

    mirror_probability: Annotated[float, number(0, 1)] = 0.5
    """Probability of mirroring a crop in training; none is with --no-mirror."""
    pad: Annotated[int, whole(0, 512)] = 10
    """Pixels of black border added on each side before a random crop of the original size."""
    erase_probability: Annotated[float, number(0, 1)] = 0.5
    """Probability of erasing a random rectangle (random erasing)."""
    erase_min_area: Annotated[float, number(0, 1, above=True, below=True)] = 0.02
    """Smallest erased share of the crop's area."""
    erase_max_area: Annotated[float, number(0, 1, above=True, below=True)] = 0.4
    """Largest erased share of the crop's area."""
    erase_min_aspect: Annotated[float, number(0, 1, above=True)] = 0.3
    """Smallest height / width of the rectangle; the largest is 3.3, its inverse."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="augment.")
        check_setting(
            self.erase_min_area <= self.erase_max_area,
            f"augment needs erase_min_area <= erase_max_area, got {self.erase_min_area}, {self.erase_max_area}.",
        )


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
