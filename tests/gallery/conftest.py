"""Galleries in a folder and on a server, and an untrained model to fill them."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from iics.errors import GalleryError
from iics.gallery.connection import connect, disconnect
from iics.gallery.gallery import Gallery
from iics.gallery.stored_values import NUMBER_FIELDS
from iics.model_settings import ModelSettings
from iics.models.reid_model import ReidModel, create_model

DIMENSION = 256
MILVUS_VARIABLE = "IICS_TEST_MILVUS"
"""Environment variable with the program milvus-server."""
SECONDS_TO_START = 120
_numbers = itertools.count()
PLACES = ["folder", "server", pytest.param("milvus", marks=pytest.mark.slow)]


@dataclass
class Server:
    """A database server of its own process, and of its children's.

    `milvus-server`, of the package milvus, listens on all addresses: run the tests as CONTRIBUTING.md says.
    """

    command: list[str]
    port: int
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def milvus_lite(cls, folder: Path) -> Server:
        port = _free_port()
        command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder)]
        return cls([*command, "--host", "127.0.0.1", "--port", str(port)], port)

    @classmethod
    def milvus(cls, folder: Path, *settings: str) -> Server:
        """Return a real one, whose garbage is collected every second instead of every hour."""
        port = _free_port()
        program = os.environ.get(MILVUS_VARIABLE) or shutil.which("milvus-server")
        if program is None:
            pytest.skip(f"no Milvus server: neither {MILVUS_VARIABLE} nor the program milvus-server")
        quick = ("dataCoord.gc.interval=1", "dataCoord.gc.dropTolerance=1", *settings)
        extra = [word for setting in quick for word in ("--extra-config", setting)]
        return cls([program, "--data", str(folder), "--proxy-port", str(port), *extra], port)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(GalleryError):
                client = connect(self.uri, is_new=False)
                client.list_collections(timeout=1)
                disconnect(client, self.uri)
                return
            time.sleep(0.2)
        raise TimeoutError(f"No server at {self.uri}.")

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _started(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A milvus-lite server that all tests share."""
    with _started(Server.milvus_lite(tmp_path_factory.mktemp("server") / "data.db")) as started:
        yield started


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Milvus server that all tests share."""
    with _started(Server.milvus(tmp_path_factory.mktemp("milvus"))) as started:
        yield started


@pytest.fixture(params=["milvus_lite", pytest.param("milvus", marks=pytest.mark.slow)])
def mortal_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server that a test may kill; of milvus-server a machine runs one only, for its etcd has a fixed port."""
    if request.param == "milvus":
        shared: Server = request.getfixturevalue("milvus")
        yield shared
        shared.kill()
        shared.start()
        return
    with _started(Server.milvus_lite(tmp_path / "mortal.db")) as started:
        yield started


@pytest.fixture(scope="session", autouse=True)
def quick_creation() -> Iterator[None]:
    """Let pymilvus look after a moment, not after half a second, whether a collection that it made is ready."""
    from pymilvus.client import grpc_handler

    clock = SimpleNamespace(**vars(time))
    clock.sleep = lambda seconds: time.sleep(min(seconds, 0.01))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grpc_handler, "time", clock)
        yield


def model_of(seed: int) -> ReidModel:
    torch.manual_seed(seed)
    settings = ModelSettings(backbone="test_efficientnet", weights="none", height=64, width=32)
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
    """Where a test's gallery is; whether what is forgotten is out of its files at once."""

    uri: str
    collection: str
    erases_at_once: bool = True

    def create(self, model: ReidModel) -> Gallery:
        return Gallery.open_or_create(self.uri, model=model, collection=self.collection)

    def open(self) -> Gallery:
        return Gallery.open(self.uri, collection=self.collection)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty gallery's place: in a folder, on a milvus-lite server, on a Milvus server."""
    collection = f"test_{next(_numbers)}"
    if request.param == "folder":
        return Place(str(tmp_path / "people.db"), collection)
    uri = request.getfixturevalue(request.param).uri
    return Place(uri, collection, erases_at_once=request.param == "server")


@pytest.fixture
def gallery(place: Place, model: ReidModel) -> Iterator[Gallery]:
    """An empty gallery in either place."""
    with place.create(model) as opened:
        yield opened


def at_angles(degrees: list[float]) -> np.ndarray:
    """Return features on a circle: the cosine of two is that of the angle between them. Shape (n, 256)."""
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
