"""Fixtures that every test may ask for."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from iics.models.match_thresholds import MatchThreshold, MatchThresholds

if TYPE_CHECKING:
    from iics.config import Settings
    from iics.data_splits import DataSplits
    from iics.models.reid_model import ReidModel

pytest_plugins = ("tests.fixtures_data", "tests.fixtures_training", "tests.fixtures_reports")

CAMERAS = ("door", "hall", "stairs")
_COLOUR_CASTS = np.array([[1.0, 0.85, 0.7], [0.75, 0.9, 1.0], [0.8, 1.0, 0.8]])
_NUM_TRAINED, _NUM_TESTED, _CROPS_EACH = 6, 3, 3
_HEIGHT, _WIDTH = 64, 32


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small tensors gain nothing from more threads, and threads that wait for each other on busy cores lose minutes."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep decoded pixels away from the user's own, and share them among tests."""
    home = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home))
        yield home


def _beside(name: str) -> ModuleType:
    """Return a module of `tests/`, loaded by path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """The slow, obviously right equations of `tests/reference.py`."""
    return _beside("reference")


@pytest.fixture(scope="session")
def thresholds() -> MatchThresholds:
    """A calibration on 40 people of a shop: too few for 0.1 %, 1 % at a similarity of 0.68."""
    return MatchThresholds(
        (MatchThreshold(0.001), MatchThreshold(0.01, 0.68, 0.004, 0.019, 0.66, 0.7, 300, found=0.62)),
        calibration="identities",
        data="shop",
        split="query against gallery",
        num_people=40,
        num_different=51234,
        num_people_pairs=780,
        num_same=300,
        is_trained_on=False,
        limits="Other cameras differ.",
    )


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser for all tests of a process: playwright runs once in each."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no chromium is installed; pages are tested in one")
    sync_api = pytest.importorskip("playwright.sync_api")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def drawn_people() -> ModuleType:
    """Videos of people drawn by `tests/drawn_people.py`."""
    return _beside("drawn_people")


@pytest.fixture(scope="session")
def watched_process() -> ModuleType:
    """Processes whose look-ups are counted, by `tests/watched_process.py`."""
    return _beside("watched_process")


@pytest.fixture(scope="session")
def authors_state() -> dict[str, torch.Tensor]:
    """A state dict laid out as in the checkpoints that the authors of IICS published; not to be changed."""
    return _beside("authors_state").authors_state()


@pytest.fixture(scope="session")
def walk(drawn_people: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.6 seconds of two people who walk towards each other and do not meet."""
    return drawn_people.write_clip(
        tmp_path_factory.mktemp("clips") / "walk.mp4", [drawn_people.RED, drawn_people.GREEN]
    )


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Commands in processes that can be killed, of `tests/faults/commands.py`."""
    server = _beside("faults/commands").Commands(tmp_path_factory.mktemp("commands"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def commands_within(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[tuple[str, ...]], Any]]:
    """Likewise, with the server started within another command: of a name space of its own."""
    started = []

    def start(within: tuple[str, ...]) -> Any:
        started.append(_beside("faults/commands").Commands(tmp_path_factory.mktemp("commands"), within=within))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def outcomes(record_property: Callable[[str, object], None]) -> Any:
    """A count of what became of many tries; told when all tests are done."""
    return _beside("faults/commands").Outcomes(record_property)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell what the tests of faults counted; their reports bring it here from the processes that ran them."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties if report.when == "call" else []:
            if name == "counts":
                terminalreporter.write_line(value)


@pytest.fixture(scope="session")
def market_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered people in the Market-1501 layout: 6 to train on (54 crops), 3 others to test on, 3 cameras."""
    root = tmp_path_factory.mktemp("people") / "market"
    for person, camera, number, picture in _rendered_people():
        split = "bounding_box_train" if person < _NUM_TRAINED else "query" if number == 0 else "bounding_box_test"
        _save(picture, root / split / f"{person + 1:04d}_c{camera + 1}s1_{number + 1:06d}_00.png")
    return root


@pytest.fixture(scope="session")
def folder_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The people of `market_people` that are trained on, as one folder per camera and without identities."""
    root = tmp_path_factory.mktemp("people") / "cameras"
    for person, camera, number, picture in _rendered_people():
        if person < _NUM_TRAINED:
            _save(picture, root / CAMERAS[camera] / f"{person}{number}.png")
    return root


@pytest.fixture(scope="session")
def people(market_people: Path) -> DataSplits:
    """`market_people`, read."""
    from iics.readers.benchmarks import load_market_layout

    return load_market_layout(market_people, name="people")


@pytest.fixture(scope="session")
def tiny_settings() -> Settings:
    """Two rounds of less than a second on `market_people`; timm's smallest network with batch norms, random weights."""
    from iics.config import ClusterSettings, DistanceSettings, Settings, Stage1Settings, Stage2Settings
    from iics.model_settings import ModelSettings

    return Settings(
        model=ModelSettings(backbone="test_efficientnet", weights="none", height=_HEIGHT, width=_WIDTH),
        distance=DistanceSettings(kind="cosine"),
        stage1=Stage1Settings(epochs=1, crops_per_camera=4, clusters=ClusterSettings(number=6)),
        stage2=Stage2Settings(
            epochs=1, clusters_per_batch=4, crops_per_cluster=4, clusters=ClusterSettings(number=6), mu=0.5
        ),
        rounds=2,
        inference_batch_size=64,
        device="cpu",
    )


@pytest.fixture(scope="session")
def lite0_settings(tiny_settings: Settings) -> Settings:
    """`tiny_settings` with a backbone whose layers Table 4 knows."""
    return replace(tiny_settings, model=replace(tiny_settings.model, backbone="efficientnet_lite0"))


class Flags(list[str]):
    """Flags of the form --name=value; a command takes each once."""

    def but(self, *others: str) -> Flags:
        """Return these with others in place of those of the same name."""
        names = {flag.split("=")[0] for flag in others}
        return Flags([*(flag for flag in self if flag.split("=")[0] not in names), *others])


@pytest.fixture(scope="session")
def tiny_flags() -> Flags:
    """`tiny_settings` as flags of `iics train`."""
    flags = {
        "preset": "iics",
        "backbone": "test_efficientnet",
        "weights": "none",
        "height": _HEIGHT,
        "width": _WIDTH,
        "distance.kind": "cosine",
        "stage1.epochs": 1,
        "stage1.crops-per-camera": 4,
        "stage1.clusters.rule": "fixed",
        "stage1.clusters.number": 6,
        "stage2.epochs": 1,
        "stage2.clusters-per-batch": 4,
        "stage2.crops-per-cluster": 4,
        "stage2.clusters.rule": "fixed",
        "stage2.clusters.number": 6,
        "stage2.mu": 0.5,
        "rounds": 2,
        "inference-batch-size": 64,
        "device": "cpu",
    }
    return Flags(f"--{name}={value}" for name, value in flags.items())


@pytest.fixture(scope="session")
def aibn_model() -> ReidModel:
    """A resnet18 for crops of 64 x 32 pixels, with statistics and alphas as training might leave them."""
    from iics.layers.normalization import norm_layers
    from iics.model_settings import ModelSettings
    from iics.models.reid_model import create_model

    torch.manual_seed(0)
    settings = ModelSettings(backbone="resnet18", weights="none", height=_HEIGHT, width=_WIDTH)
    model = create_model(settings, device=torch.device("cpu"))
    rng = np.random.default_rng(0)
    for number, layer in enumerate(norm_layers(model.backbone)):
        layer.momentum = 0.7
        if hasattr(layer, "mix"):
            layer.mix.alpha.data.fill_(0.1 + 0.05 * number)
    model.backbone.train()(torch.from_numpy(rng.normal(size=(8, 3, _HEIGHT, _WIDTH)).astype(np.float32)))
    model.backbone.eval()
    return model


@pytest.fixture(scope="session")
def exported(aibn_model: ReidModel) -> bytes:
    """`aibn_model` as an ONNX file, with a model card: torch takes seconds for it."""
    from iics.export.onnx_file import export_onnx

    return export_onnx(aibn_model, card="# A card")


def _rendered_people() -> list[tuple[int, int, int, npt.NDArray[np.uint8]]]:
    """Return person, camera, number and picture: head, coat and trousers, a camera's colour cast, noise."""
    rng = np.random.default_rng(0)
    clothes = rng.uniform(40, 255, size=(_NUM_TRAINED + _NUM_TESTED, 2, 3))
    rendered = []
    for person, (coat, trousers) in enumerate(clothes):
        for camera, cast in enumerate(_COLOUR_CASTS):
            for number in range(_CROPS_EACH):
                left = int(rng.integers(6, 11))
                picture = np.full((_HEIGHT, _WIDTH, 3), 90.0)
                picture[4:16, left + 4 : left + 11] = (200, 160, 140)
                picture[16:38, left : left + 15] = coat
                picture[38:62, left + 2 : left + 13] = trousers
                picture = picture * cast + rng.normal(0, 6, picture.shape)
                rendered.append((person, camera, number, picture.clip(0, 255).astype(np.uint8)))
    return rendered


def _save(picture: npt.NDArray[np.uint8], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(file)
