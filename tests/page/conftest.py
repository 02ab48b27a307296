"""A small gallery with its model and a run, and pages that serve them from another process."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

SERVE_PAGES = Path(__file__).with_name("serve_pages.py")


@dataclass(frozen=True)
class Pages:
    """Addresses of the pages, the files that the first keeps, and where their process keeps temporary files."""

    people: str
    empty: str
    locked: str
    marks: Path
    corrections: Path
    audit: Path
    temporary: Path


@pytest.fixture
def own_loop():
    """Let a test run an event loop of its own: playwright, once it was used, leaves its own marked as running."""
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(running)


@pytest.fixture(scope="session")
def serve_pages():
    """The module `serve_pages.py`."""
    spec = importlib.util.spec_from_file_location("serve_pages", SERVE_PAGES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def timed_crops(folder_people, serve_pages):
    return serve_pages.timed_crops(folder_people)


@pytest.fixture(scope="session")
def tiny_model(tiny_settings):
    import torch

    from iics.models.reid_model import create_model

    torch.manual_seed(0)
    model = create_model(tiny_settings.model, device=torch.device("cpu"))
    model.backbone.eval()
    return model


@pytest.fixture(scope="session")
def clustered_run(timed_crops, tiny_model, tiny_settings, tmp_path_factory):
    """A run folder as training leaves it: a cluster for each of six people in round 1, for every two in round 2."""
    from iics.runs.run_folder import RunFolder

    path = tmp_path_factory.mktemp("runs") / "run"
    run = RunFolder.create(path, settings=tiny_settings, crops=timed_crops, source={})
    person = np.array([int(file.stem[0]) for file in timed_crops.paths])
    run.write_pseudo_labels(0, timed_crops, {"stage2": person})
    run.write_pseudo_labels(1, timed_crops, {"stage2": person // 2})
    run.save_model(tiny_model)
    return path


@pytest.fixture(scope="session")
def filled_gallery(timed_crops, tiny_model, serve_pages, tmp_path_factory):
    """The folder of a closed gallery with people; see `fill_people`. To be copied."""
    pytest.importorskip("pymilvus", reason="the extra gallery is not installed")
    from iics.gallery.gallery import Gallery
    from iics.gallery.indexing import index_crops

    folder = tmp_path_factory.mktemp("filled") / "people.db"
    with Gallery.open_or_create(str(folder), model=tiny_model) as gallery:
        index_crops(gallery, tiny_model, timed_crops)
        serve_pages.fill_people(gallery)
    return folder


@pytest.fixture
def people_gallery(filled_gallery, tmp_path):
    """An open copy of it."""
    from iics.gallery.gallery import Gallery

    shutil.copytree(filled_gallery, tmp_path / "people.db")
    with Gallery.open(str(tmp_path / "people.db")) as gallery:
        yield gallery


@pytest.fixture(scope="session")
def pages(clustered_run, folder_people, tmp_path_factory):
    pytest.importorskip("gradio", reason="the extra app is not installed")
    work, temporary = tmp_path_factory.mktemp("pages"), tmp_path_factory.mktemp("temporary")
    command = [sys.executable, str(SERVE_PAGES), str(clustered_run / "model.safetensors"), str(folder_people)]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with (work / "errors.txt").open("w") as errors:
        process = subprocess.Popen(
            [*command, str(clustered_run), str(work)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            text=True,
        )
    with process:
        line = process.stdout.readline()
        assert line, (work / "errors.txt").read_text()
        addresses = {name: address.rstrip("/") for name, address in json.loads(line).items()}
        files = {
            "marks": work / "marks.csv",
            "corrections": work / "people.corrections.csv",
            "audit": work / "people.jsonl",
        }
        yield Pages(**addresses, **files, temporary=temporary)
        process.stdin.close()
        assert process.wait(60) == 0
    assert list(temporary.glob("iics-page-*")) == []  # uploads go with their page
