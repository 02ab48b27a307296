"""The page under many visitors of whom one is greedy: how long the others wait, and what memory and disk it takes.

Run: python benchmarks/page.py [NUM_VISITORS [SEARCHES_OF_EACH]]

A real `iics app` with a log-in, on this machine, over a made-up gallery of 600 crops and a network without training.
Each visitor logs in, then uploads a crop and searches, again and again. The greedy one asks for as much as 24 programs
at once can: 16 search for pictures of 24 million pixels, the most matches, re-ranked, each search in a window of its
own, half of the answers not fetched; 8 upload files of 9.9 MB.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

USER, PASSWORD = "ada", "long enough"
NUM_CROPS, CAMERAS = 600, ("hall", "door", "yard")
FIELDS = ["by similarity", [], [], "", ""]


@dataclass
class Figures:
    """What was measured.

    Attributes:
        seconds: From the upload to the answer, for each search of the visitors who are not greedy.
        greedy: How often the greedy one was answered what.
        memory: Of the page's process at any time, bytes.
        disk: In its folder of temporary files at any time, bytes.
    """

    seconds: list[float] = field(default_factory=list)
    greedy: Counter[str] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    disk: list[int] = field(default_factory=list)


class Visitor:
    """Does what a browser does to search."""

    def __init__(self, address: str) -> None:
        self.client = httpx.AsyncClient(base_url=address, timeout=600)
        self.number = 0

    async def __aenter__(self) -> Visitor:
        answer = await self.client.post("/login", data={"username": USER, "password": PASSWORD})
        answer.raise_for_status()
        config = (await self.client.get("/config")).json()
        self.number = next(at for at, each in enumerate(config["dependencies"]) if each["api_name"] == "search")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def upload(self, picture: bytes) -> httpx.Response:
        return await self.client.post("/gradio_api/upload", files={"files": ("q.png", picture)})

    async def join(self, path: str, window: str, *, top: int, rerank: bool) -> httpx.Response:
        place = {"path": path, "orig_name": "q.png", "meta": {"_type": "gradio.FileData"}}
        data = [place, *FIELDS, top, False, rerank, False]
        body = {"data": data, "fn_index": self.number, "session_hash": window}
        return await self.client.post("/gradio_api/queue/join", json=body)

    async def answer(self, window: str) -> dict[str, object]:
        """Return the event that ends a search."""
        async with self.client.stream("GET", f"/gradio_api/queue/data?session_hash={window}") as events:
            async for line in events.aiter_lines():
                if line.startswith("data:") and '"process_completed"' in line:
                    answer: dict[str, object] = json.loads(line[5:])
                    return answer
        raise RuntimeError("the search did not end")

    async def search(self, picture: bytes) -> None:
        """Search for a picture; what is not answered with matches is an error."""
        window = uuid.uuid4().hex
        (path,) = (await self.upload(picture)).raise_for_status().json()
        (await self.join(path, window, top=24, rerank=False)).raise_for_status()
        answer = await self.answer(window)
        if "iics-card" not in json.dumps(answer):
            raise RuntimeError(f"no matches: {json.dumps(answer)[:300]}")


async def visit(address: str, pictures: list[bytes], figures: Figures, *, num_visitors: int, searches: int) -> None:
    """Let visitors search, while one more is greedy until they are done."""

    async def search() -> None:
        async with Visitor(address) as visitor:
            for number in range(searches):
                begun = time.monotonic()
                await visitor.search(pictures[number % len(pictures)])
                figures.seconds.append(time.monotonic() - begun)

    greedy = asyncio.create_task(be_greedy(address, figures))
    await asyncio.sleep(2)  # greed has a start
    try:
        await asyncio.gather(*(search() for _ in range(num_visitors)))
    finally:
        greedy.cancel()
        await asyncio.gather(greedy, return_exceptions=True)


async def be_greedy(address: str, figures: Figures) -> None:
    """Ask for as much as the page gives, until cancelled."""
    heavy, large = io.BytesIO(), os.urandom(9_900_000)
    Image.new("RGB", (4800, 5000), "gray").save(heavy, format="JPEG")
    async with Visitor(address) as visitor:

        async def search() -> None:
            for number in itertools.count():
                window = uuid.uuid4().hex
                uploaded = await visitor.upload(heavy.getvalue())
                figures.greedy[f"upload {uploaded.status_code}"] += 1
                joined = await visitor.join((uploaded.json() or [""])[0], window, top=200, rerank=True)
                figures.greedy[f"search {joined.status_code}"] += 1
                if joined.status_code == 200 and number % 2:
                    await visitor.answer(window)
                await asyncio.sleep(0.05)

        async def fill() -> None:
            while True:
                figures.greedy[f"large upload {(await visitor.upload(large)).status_code}"] += 1

        await asyncio.gather(*(search() for _ in range(16)), *(fill() for _ in range(8)))


async def watch(process: int, temporary: Path, figures: Figures) -> None:
    """Note memory and disk, until cancelled."""
    while True:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
        figures.memory.append(int(status["VmRSS"].split()[0]) * 1024)
        figures.disk.append(await asyncio.to_thread(bytes_in, temporary))
        await asyncio.sleep(0.2)


def bytes_in(folder: Path) -> int:
    """Return what lies in a folder while others write there."""
    sizes = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                sizes += (Path(place) / name).stat().st_size
            except FileNotFoundError:
                continue
    return sizes


def make_gallery(work: Path) -> list[bytes]:
    """Make a gallery of noise, and return some of its pictures."""
    import torch

    from iics.gallery.gallery import Gallery
    from iics.gallery.indexing import index_crops
    from iics.model_settings import ModelSettings
    from iics.models.reid_model import create_model
    from iics.readers.folders import load_folder

    random = np.random.default_rng(0)
    for number in range(NUM_CROPS):
        file = work / "crops" / CAMERAS[number % len(CAMERAS)] / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 255, (16, 8, 3), dtype=np.uint8))
        coarse.resize((64, 128), Image.Resampling.BICUBIC).save(file)
    settings = ModelSettings(backbone="resnet18", weights="none", height=128, width=64)
    model = create_model(settings, device=torch.device("cpu"))
    model.backbone.eval()
    model.save(work / "model.safetensors")
    with Gallery.open_or_create(str(work / "gallery.db"), model=model) as gallery:
        index_crops(gallery, model, load_folder(work / "crops").train)
    return [file.read_bytes() for file in sorted((work / "crops" / CAMERAS[0]).iterdir())[:5]]


def measure(work: Path, *, num_visitors: int, searches: int) -> Figures:
    """Serve a page from a process of its own, and let visitors come."""
    pictures, temporary = make_gallery(work), work / "temporary"
    temporary.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = [sys.executable, "-m", "iics", "app", str(work / "gallery.db"), "--user", USER, "--port", str(port)]
    command = [*app, "--model", str(work / "model.safetensors"), "--audit-log", str(work / "audit.jsonl")]
    environment = {**os.environ, "TMPDIR": str(temporary), "IICS_PASSWORD": PASSWORD}
    figures = Figures()

    async def run(address: str, process: int) -> None:
        watching = asyncio.create_task(watch(process, temporary, figures))
        await asyncio.sleep(1)  # at rest
        await visit(address, pictures, figures, num_visitors=num_visitors, searches=searches)
        watching.cancel()

    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as page:
        try:
            assert page.stdout is not None
            address = page.stdout.readline().split()[0].rstrip("/")
            asyncio.run(run(address, page.pid))
        finally:
            page.terminate()
    return figures


def main() -> None:
    num_visitors = int(sys.argv[1]) if len(sys.argv) > 1 else 49
    searches = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), num_visitors=num_visitors, searches=searches)
    seconds = sorted(figures.seconds)
    print(
        f"{num_visitors} visitors, {len(seconds)} searches, all answered, beside a greedy one: {dict(figures.greedy)}"
    )
    print(f"a search: median {statistics.median(seconds):.1f} s, longest {seconds[-1]:.1f} s")
    print(f"memory: {figures.memory[0] / 1e6:.0f} MB at rest, {max(figures.memory) / 1e6:.0f} MB at most")
    print(f"disk: {max(figures.disk) / 1e6:.0f} MB at most")


if __name__ == "__main__":
    main()
