"""Settings refuse what cannot work, and come back from JSON as they went in."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from iics.computing_settings import EngineSettings, PixelSettings
from iics.config import ClusterSettings, DistanceSettings, Settings, Stage1Settings, Stage2Settings, SupervisedSettings
from iics.errors import SettingsError
from iics.model_settings import AugmentSettings, ModelSettings
from iics.settings_json import from_json, to_json

SOURCE = Path("run/settings.json")
NAN = float("nan")


def read(values):
    return from_json(json.dumps(values), source=SOURCE)


def exactly(message):
    return f"^{re.escape(message)}$"


# --- JSON


def test_settings_survive_json():
    settings = Settings(
        model=ModelSettings(backbone="efficientnet_lite0", norm_stages=("blocks.5", "bn2"), norm="ibn"),
        pixels=PixelSettings(source="decode", cache_dir="/somewhere", workers=3),
        augment=AugmentSettings(pad=3),
        distance=DistanceSettings(kind="cosine", max_dense_crops=5000, neighbour_search="faiss"),
        stage1=Stage1Settings(clusters=ClusterSettings(rule="quantile", quantile=0.01)),
        stage2=Stage2Settings(similarity="cnn", mu=0.5),
        engine=EngineSettings(precision="bf16", compile=True, parts=3, threads=2),
        supervised=SupervisedSettings(epochs=3, triplet_weight=0.0),
        stages="stage2",
        seed=7,
        loggers=("mlflow", "tensorboard"),
    )
    assert from_json(to_json(settings), source=SOURCE) == settings
    assert to_json(from_json(to_json(settings), source=SOURCE)) == to_json(settings)


def test_json_is_plain_and_indented():
    text = to_json(Settings())
    assert json.loads(text)["stage2"]["clusters"]["number"] == 800
    assert text.startswith('{\n  "model": {\n    "backbone": "resnet50",')
    assert text.endswith("}\n")


def test_what_is_not_given_keeps_its_default():
    assert read({}) == Settings()
    assert read({"stage2": {"clusters": {"number": 30}}}).stage2.clusters == ClusterSettings(number=30)


def test_a_setting_that_older_versions_had_is_read_and_forgotten_where_they_had_it():
    assert read({"engine": {"memory_format": "contiguous", "parts": 2}}).engine == EngineSettings(parts=2)
    with pytest.raises(SettingsError, match=r"distance has an unknown setting 'memory_format'\."):
        read({"distance": {"memory_format": "contiguous"}})


def test_a_whole_number_does_for_a_fraction():
    assert read({"stage2": {"mu": 0}}).stage2.mu == 0.0
    assert isinstance(read({"stage2": {"mu": 0}}).stage2.mu, float)


def test_text_that_is_no_json_is_named():
    with pytest.raises(SettingsError, match=r"^run/settings\.json is no valid JSON: Expecting.*line 1"):
        from_json("{rounds", source=SOURCE)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"round": 3}, "run/settings.json has an unknown setting 'round'. Did you mean 'rounds'?"),
        (
            {"stage1": {"epoch": 3}},
            "run/settings.json: stage1 has an unknown setting 'epoch'. Did you mean 'epochs'?",
        ),
        (
            {"stage2": {"clusters": {"quantil": 0.1}}},
            "run/settings.json: stage2: clusters has an unknown setting 'quantil'. Did you mean 'quantile'?",
        ),
        (
            {"distance": {"zzz": 1}},
            "run/settings.json: distance has an unknown setting 'zzz'. Known: kind, k1, k2, lambda_value, "
            "max_dense_crops, graph_neighbours, neighbour_search, k1_intra, k1_inter, k2_intra, k2_inter, "
            "k2_first_round.",
        ),
        (
            {"distance": {"graph_neighbors": 1}},
            "run/settings.json: distance has an unknown setting 'graph_neighbors'. Did you mean 'graph_neighbours'?",
        ),
    ],
)
def test_an_unknown_key_suggests_the_nearest_name(values, message):
    with pytest.raises(SettingsError, match=exactly(message)):
        read(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1], "run/settings.json must be an object with settings, got [1]."),
        ({"stage1": 3}, "run/settings.json: stage1 must be an object with settings, got 3."),
        ({"rounds": "40"}, "run/settings.json: rounds must be of type int, got '40'."),
        ({"rounds": 2.5}, "run/settings.json: rounds must be of type int, got 2.5."),
        ({"rounds": True}, "run/settings.json: rounds must be of type int, got True."),
        ({"rounds": None}, "run/settings.json: rounds must be of type int, got None."),
        ({"momentum": True}, "run/settings.json: momentum must be of type float, got True."),
        ({"momentum": "0.9"}, "run/settings.json: momentum must be of type float, got '0.9'."),
        ({"device": 0}, "run/settings.json: device must be of type str, got 0."),
        (
            {"model": {"norm_stages": "layer4"}},
            "run/settings.json: model: norm_stages must be a list of names, got 'layer4'.",
        ),
        ({"model": {"norm_stages": [4]}}, "run/settings.json: model: norm_stages must be a list of names, got [4]."),
        (
            {"model": {"norm": "batch"}},
            "run/settings.json: model: norm must be one of aibn, aibn-fixed, bn, in, ibn, own, got 'batch'.",
        ),
        (
            {"distance": {"neighbour_search": 5}},
            "run/settings.json: distance: neighbour_search must be of type str, got 5.",
        ),
        (
            {"distance": {"max_dense_crops": 1e4}},
            "run/settings.json: distance: max_dense_crops must be of type int, got 10000.0.",
        ),
        ({"stages": 1}, "run/settings.json: stages must be one of both, stage1, stage2, got 1."),
        (
            {"stages": ["both"]},
            "run/settings.json: stages must be one of both, stage1, stage2, got ['both'].",
        ),
    ],
)
def test_a_value_of_the_wrong_type_is_named(values, message):
    with pytest.raises(SettingsError, match=exactly(message)):
        read(values)


@pytest.mark.parametrize("loggers", [("tensorbord",), ("mlflow", "mlflow")])
def test_loggers_are_different_names_of_those_there_are(loggers):
    message = f"loggers must be names out of tensorboard, wandb, mlflow, each once, got {' '.join(loggers)}."
    with pytest.raises(SettingsError, match=exactly(message)):
        read({"loggers": list(loggers)})


def test_a_value_out_of_range_in_the_file_is_refused():
    with pytest.raises(SettingsError, match=r"^rounds must be a whole number from 1 to 10,000; got 0\.$"):
        read({"rounds": 0})


# --- ranges


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (ModelSettings, {"height": 31}, "height must be a whole number from 32 to 2,048; got 31."),
        (ModelSettings, {"width": 10**6}, "width must be a whole number from 32 to 2,048; got 1000000."),
        (
            AugmentSettings,
            {"mirror_probability": 1.1},
            "augment.mirror_probability must be a number from 0 to 1; got 1.1.",
        ),
        (
            AugmentSettings,
            {"erase_probability": NAN},
            "augment.erase_probability must be a number from 0 to 1; got nan.",
        ),
        (PixelSettings, {"workers": -1}, "pixels.workers must be a whole number from 0 to 256; got -1."),
        (EngineSettings, {"parts": 0}, "engine.parts must be a whole number from 1 to 1,024; got 0."),
        (
            EngineSettings,
            {"threads": 2**40},
            "engine.threads must be a whole number from 0 to 1,024; got 1099511627776.",
        ),
        (AugmentSettings, {"pad": 10**7}, "augment.pad must be a whole number from 0 to 512; got 10000000."),
        (AugmentSettings, {"erase_min_area": 0.5}, "augment needs erase_min_area <= erase_max_area, got 0.5, 0.4."),
        (
            AugmentSettings,
            {"erase_max_area": 1.0},
            "augment.erase_max_area must be a number above 0 and below 1; got 1.0.",
        ),
        (
            AugmentSettings,
            {"erase_min_aspect": 0.0},
            "augment.erase_min_aspect must be a number above 0 and at most 1; got 0.0.",
        ),
        (DistanceSettings, {"k1": 0}, "distance.k1 must be a whole number from 1 to 1,000; got 0."),
        (DistanceSettings, {"lambda_value": -0.1}, "distance.lambda_value must be a number from 0 to 1; got -0.1."),
        (
            DistanceSettings,
            {"max_dense_crops": -1},
            "distance.max_dense_crops must be a whole number from 0 to 2,147,483,647; got -1.",
        ),
        (
            DistanceSettings,
            {"graph_neighbours": 20},
            "distance.graph_neighbours must be more than k1 and k2, 20 and 6, got 20.",
        ),
        (
            DistanceSettings,
            {"k1": 5, "k2": 40, "graph_neighbours": 40},
            "distance.graph_neighbours must be more than k1 and k2, 5 and 40, got 40.",
        ),
        (ClusterSettings, {"number": 1}, "clusters.number must be a whole number from 2 to 10,000,000; got 1."),
        (ClusterSettings, {"quantile": 1.0}, "clusters.quantile must be a number above 0 and below 1; got 1.0."),
        (Stage1Settings, {"epochs": 0}, "stage1.epochs must be a whole number from 1 to 1,000; got 0."),
        (Stage1Settings, {"epochs": 2.5}, "stage1.epochs must be a whole number from 1 to 1,000; got 2.5."),
        (Stage1Settings, {"epochs": True}, "stage1.epochs must be a whole number from 1 to 1,000; got True."),
        (
            Stage1Settings,
            {"crops_per_camera": 10**9},
            "stage1.crops_per_camera must be a whole number from 2 to 1,024; got 1000000000.",
        ),
        (
            Stage1Settings,
            {"backbone_learning_rate": 0.0},
            "stage1.backbone_learning_rate must be a number above 0 and at most 10; got 0.0.",
        ),
        (
            Stage2Settings,
            {"clusters_per_batch": 1},
            "stage2.clusters_per_batch must be a whole number from 2 to 1,024; got 1.",
        ),
        (
            Stage2Settings,
            {"head_learning_rate": NAN},
            "stage2.head_learning_rate must be a number above 0 and at most 10; got nan.",
        ),
        (Stage2Settings, {"mu": float("inf")}, "stage2.mu must be a number from 0 to 100; got inf."),
        (
            SupervisedSettings,
            {"crops_per_identity": 1},
            "supervised.crops_per_identity must be a whole number from 2 to 1,024; got 1.",
        ),
        (
            SupervisedSettings,
            {"triplet_weight": NAN},
            "supervised.triplet_weight must be a number from 0 to 1,000; got nan.",
        ),
        (Settings, {"rounds": 10**30}, f"rounds must be a whole number from 1 to 10,000; got 1{'0' * 30}."),
        (Settings, {"inference_batch_size": 0}, "inference_batch_size must be a whole number from 1 to 4,096; got 0."),
        (Settings, {"momentum": 1.0}, "momentum must be a number of at least 0 and below 1; got 1.0."),
        (Settings, {"seed": -1}, "seed must be a whole number from 0 to 4,294,967,295; got -1."),
        (
            Settings,
            {"seed": 10**5000},
            "seed must be a whole number from 0 to 4,294,967,295; got a number of thousands of digits.",
        ),
    ],
)
def test_a_value_out_of_range_is_named(kind, values, message):
    with pytest.raises(SettingsError, match=exactly(message)):
        kind(**values)


def test_settings_stored_before_there_were_graphs_compare_all_pairs_that_fit():
    stored = json.loads(to_json(Settings()))
    for name in ("max_dense_crops", "graph_neighbours", "neighbour_search"):
        del stored["distance"][name]
    assert read(stored) == Settings()
    assert read(stored).distance.max_dense_crops == 0


def test_settings_stored_before_there_was_a_cache_use_it_where_they_can():
    stored = json.loads(to_json(Settings()))
    del stored["pixels"]
    assert read(stored).pixels == PixelSettings(source="auto", cache_dir="", workers=0)


def test_settings_cannot_be_changed_after_they_were_checked():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().rounds = 0


# --- a method's own settings, and those of older versions


@dataclasses.dataclass(frozen=True)
class Own:
    temperature: float = 0.05


def read_with_own(values):
    return from_json(json.dumps(values), source=Path("run/settings.json"), own={"told": Own, "iics": None}.get)


def test_own_settings_are_read_as_what_the_method_names():
    assert read_with_own({"method": "told", "own": {"temperature": 2}}) == Settings(method="told", own=Own(2.0))
    assert read_with_own({"method": "told"}) == Settings(method="told", own=Own())
    assert from_json(to_json(Settings(method="told", own=Own(3.0))), source=Path("x"), own=lambda _: Own).own == Own(
        3.0
    )
    assert "own" not in json.loads(to_json(Settings()))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "told", "own": {"temperatur": 2}}, "own has an unknown setting 'temperatur'. Did you mean"),
        ({"method": "told", "own": {"temperature": "hot"}}, "own: temperature must be of type float, got 'hot'."),
        ({"method": "told", "own": 0}, "own must be an object with settings, got 0."),
        ({"own": {"temperature": 2}}, "the method iics has no settings of its own."),
    ],
)
def test_own_settings_that_do_not_fit_are_refused(values, message):
    with pytest.raises(SettingsError) as caught:
        read_with_own(values)
    assert str(caught.value).startswith(f"run/settings.json: {message}")


def test_stages_supervised_of_older_versions_are_the_method_and_not_beside_one():
    assert read({"stages": "supervised"}) == Settings(method="supervised")
    with pytest.raises(SettingsError, match="stages must be one of both, stage1, stage2, got 'supervised'"):
        read({"stages": "supervised", "method": "iics"})
