"""Galleries in a folder and on a server, and an untrained model to fill them."""

from __future__ import annotations

import contextlib
import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from iics.config import ModelSettings
from iics.errors import GalleryError
from iics.gallery.connection import connect, disconnect
from iics.gallery.gallery import Gallery
from iics.gallery.schema import NUMBER_FIELDS
from iics.models.reid_model import ReidModel, create_model

DIMENSION = 1280
_numbers = itertools.count()


@dataclass
class Server:
    """A `milvus-lite server` of its own process."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(self.folder)]
        self.process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(100):
            with contextlib.suppress(GalleryError):
                disconnect(connect(self.uri, is_new=False), self.uri)
                return
            time.sleep(0.2)
        raise TimeoutError(f"No server at {self.uri}.")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that all tests share."""
    started = Server(tmp_path_factory.mktemp("server") / "data.db", _free_port())
    started.start()
    yield started
    started.kill()


@pytest.fixture
def mortal_server(tmp_path: Path) -> Iterator[Server]:
    """A server that a test may kill."""
    started = Server(tmp_path / "mortal.db", _free_port())
    started.start()
    yield started
    started.kill()


def model_of(seed: int) -> ReidModel:
    torch.manual_seed(seed)
    settings = ModelSettings(backbone="efficientnet_lite0", weights="none", height=64, width=32)
    model = create_model(settings, device=torch.device("cpu"))
    model.backbone.eval()
    return model


@pytest.fixture(scope="session")
def model() -> ReidModel:
    return model_of(0)


@pytest.fixture(scope="session")
def other_model() -> ReidModel:
    return model_of(1)


@dataclass(frozen=True)
class Place:
    """Where a test's gallery is."""

    uri: str
    collection: str

    def create(self, model: ReidModel) -> Gallery:
        return Gallery.open_or_create(self.uri, model=model, collection=self.collection)

    def open(self) -> Gallery:
        return Gallery.open(self.uri, collection=self.collection)


@pytest.fixture(params=["folder", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty gallery's place: in a folder, then on the server."""
    collection = f"test_{next(_numbers)}"
    if request.param == "folder":
        return Place(str(tmp_path / "people.db"), collection)
    return Place(request.getfixturevalue("server").uri, collection)


@pytest.fixture
def gallery(place: Place, model: ReidModel) -> Iterator[Gallery]:
    """An empty gallery in either place."""
    with place.create(model) as opened:
        yield opened


def at_angles(degrees: list[float]) -> np.ndarray:
    """Return features on a circle: the cosine of two is that of the angle between them. Shape (n, 1280)."""
    radians = np.deg2rad(np.array(degrees, dtype=np.float64))
    features = np.zeros((len(degrees), DIMENSION), np.float32)
    features[:, 0], features[:, 1] = np.cos(radians), np.sin(radians)
    return features


def row(name: str, *, camera: str = "a", time: float | None = None, tracklet: int | None = None, **others: object):
    """Return a row of a crop in a file of that name."""
    path = name if name.startswith("/") else f"/crops/{name}"
    values = dict.fromkeys(NUMBER_FIELDS) | {"crop_id": name, "digest": "", "path": path, "archive": ""}
    return values | {"camera": camera, "time": time, "tracklet": tracklet} | others


@pytest.fixture(scope="session")
def angles() -> Callable[[list[float]], np.ndarray]:
    return at_angles


@pytest.fixture(scope="session")
def stored_row() -> Callable[..., dict[str, object]]:
    return row
