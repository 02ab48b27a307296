"""The page's server: right results for everybody at once, nothing served or fetched but what the page needs."""

from __future__ import annotations

import asyncio
import html
import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from iics.page.access import Access
from iics.page.audit_log import AuditLog
from iics.page.server import page_server

httpx = pytest.importorskip("httpx", reason="the extra app is not installed")

FIELDS = {
    "order": "by similarity",
    "cameras": [],
    "not_cameras": [],
    "since": "",
    "until": "",
    "top": 5,
    "one": False,
    "rerank": False,
    "by_camera": False,
}


class Visitor:
    """Does what a browser does to search, without one."""

    def __init__(self, address, *, log_in=None):
        self.client = httpx.Client(base_url=address, timeout=120)
        if log_in is not None:
            self.client.post("/login", data=dict(zip(("username", "password"), log_in, strict=True)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def upload(self, name, data):
        return self.client.post("/gradio_api/upload", files={"files": (name, data)})

    def answer(self, path, **fields):
        """Return the event that ends a search for an uploaded file."""
        config = self.client.get("/config").raise_for_status().json()
        number = next(at for at, each in enumerate(config["dependencies"]) if each["api_name"] == "search")
        session = uuid.uuid4().hex
        data = [{"path": path, "orig_name": "q.png", "meta": {"_type": "gradio.FileData"}}, *(FIELDS | fields).values()]
        body = {"data": data, "fn_index": number, "session_hash": session}
        self.client.post("/gradio_api/queue/join", json=body).raise_for_status()
        with self.client.stream("GET", f"/gradio_api/queue/data?session_hash={session}") as events:
            for line in events.iter_lines():
                if line.startswith("data:") and '"process_completed"' in line:
                    return json.loads(line[5:])
        raise AssertionError("the search did not end")

    def search(self, file, **fields):
        """Return what a search for a file shows."""
        (path,) = self.upload(file.name, file.read_bytes()).raise_for_status().json()
        answer = self.answer(path, **fields)
        assert answer["success"], answer
        return next(part for part in answer["output"]["data"] if isinstance(part, str) and "iics-m" in part)


def search(address, file, **fields):
    with Visitor(address) as visitor:
        return visitor.search(file, **fields)


def matches_in(page):
    """Return file and similarity of the matches, in order."""
    places = [html.unescape(place) for place in re.findall(r'class="iics-path" title="([^"]*)"', page)]
    return list(zip(places, map(float, re.findall(r"<b>(-?[\d.]+)</b>", page)), strict=True))


class Launched:
    """Stands for a page and keeps what it was told."""

    def queue(self, **_):
        pass

    def launch(self, **told):
        self.told, self.server = told, SimpleNamespace(config=SimpleNamespace(http_protocol_class=asyncio.Protocol))
        self.server.server_state = SimpleNamespace(connections=set())
        return None, f"http://{told['server_name']}:{told['server_port']}/", None

    def close(self, **_):
        pass


@pytest.mark.parametrize(("host", "address"), [("::1", "http://[::1]:7860/"), ("127.0.0.1", "http://127.0.0.1:7860/")])
def test_an_address_of_either_kind_is_listened_on(host, address):
    pytest.importorskip("gradio", reason="the extra app is not installed")
    with page_server() as serve:
        assert serve(Launched, Access(host=host), AuditLog(None)) == address


@pytest.fixture(scope="module")
def features(tiny_model, timed_crops):
    return tiny_model.embed(timed_crops)


def test_twenty_uploads_at_once_each_get_their_own_matches(pages, timed_crops, features):
    chosen = np.linspace(0, len(timed_crops) - 1, 20).astype(int)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda at: matches_in(search(pages.people, timed_crops.paths[at])), chosen))
    for at, answer in zip(chosen, answers, strict=True):
        cosines = features @ features[at]
        assert answer[0] == (str(timed_crops.paths[at]), 1.0)
        assert [similarity for _, similarity in answer] == pytest.approx(np.sort(cosines)[::-1][:5], abs=2e-3)
        own = {str(path): cosine for path, cosine in zip(timed_crops.paths, cosines, strict=True)}
        assert [similarity for _, similarity in answer] == pytest.approx([own[place] for place, _ in answer], abs=2e-3)


def test_the_same_file_at_once_is_found_every_time(pages, timed_crops):
    file = timed_crops.paths[7]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: matches_in(search(pages.people, file)), range(8)))
    assert [answer[0] for answer in answers] == [(str(file), 1.0)] * 8


def test_filters_hold_for_an_upload(pages, timed_crops):
    file, camera = timed_crops.paths[0], timed_crops.camera_names[1]
    assert len(matches_in(search(pages.people, file, cameras=[camera], top=50))) == 18
    assert len(matches_in(search(pages.people, file, not_cameras=[camera], top=50))) == 36
    assert len(matches_in(search(pages.people, file, until="2026-03-01 08:10", top=50))) == 10
    assert len(matches_in(search(pages.people, file, rerank=True, top=7))) == 7
    assert len(matches_in(search(pages.people, file, by_camera=True, top=7))) == 7


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"since": "soon"},
            "Since needs a date with a time, e.g. 2026-03-01 08:30, or a number of seconds; got 'soon'.",
        ),
        ({"since": "20", "until": "10"}, "the range of time ends before it begins"),
        ({"cameras": ["door"], "not_cameras": ["door"]}, "Camera door is both wanted and unwanted"),
        ({"until": "10"}, "No crop of the gallery meets these filters."),
    ],
)
def test_filters_that_find_nothing_are_said(pages, timed_crops, fields, message):
    assert message in html.unescape(search(pages.people, timed_crops.paths[0], **fields))


@pytest.mark.parametrize(
    "path", ["/gradio_api/file=/etc/passwd", "/gradio_api/file=pyproject.toml", "/file=/etc/passwd", "/monitoring"]
)
def test_no_file_is_served(pages, path):
    assert httpx.get(pages.people + path).status_code == 404


def test_an_upload_cannot_be_had_back(pages, timed_crops):
    with Visitor(pages.people) as visitor:
        (uploaded,) = visitor.upload("a.png", timed_crops.paths[0].read_bytes()).json()
        assert visitor.client.get(f"/gradio_api/file={uploaded}").status_code == 404


@pytest.mark.parametrize("path", ["/etc/passwd", "https://example.com/a.png", "http://127.0.0.1:1/a.png"])
def test_a_file_that_was_not_uploaded_is_not_read(pages, path):
    """What a program may send in place of a browser: a path on this machine, or an address to fetch."""
    with Visitor(pages.people) as visitor:
        answer = visitor.answer(path)
    assert answer["success"] is False
    assert "root:" not in json.dumps(answer)
    assert "File " not in json.dumps(answer)  # no traceback


def test_a_large_upload_is_refused(pages):
    with Visitor(pages.people) as visitor:
        assert visitor.upload("a.png", bytes(10_500_000)).status_code == 413
        assert visitor.upload("a.png", bytes(12_000_000)).status_code == 413


def test_other_sites_are_refused(pages):
    assert httpx.get(pages.people, headers={"host": "attacker.example"}).status_code == 421
    assert httpx.get(pages.people, headers={"origin": "http://attacker.example"}).status_code == 403


@pytest.mark.parametrize("path", ["/config", "/gradio_api/info", "/gradio_api/queue/data?session_hash=a"])
def test_a_page_with_a_password_tells_strangers_nothing(pages, path):
    assert httpx.get(pages.locked + path).status_code == 401


def test_a_page_with_a_password_takes_nothing_from_strangers(pages):
    with Visitor(pages.locked, log_in=("ada", "wrong one")) as visitor:
        assert visitor.upload("a.png", b"x").status_code == 401
        assert visitor.client.post("/gradio_api/queue/join", json={"data": [], "fn_index": 0}).status_code == 401
        assert "only-cameras" not in visitor.client.get("/").text


def test_a_page_with_a_password_lets_in_who_knows_it(pages, timed_crops, serve_pages):
    with Visitor(pages.locked, log_in=(serve_pages.USER, serve_pages.PASSWORD)) as visitor:
        assert len(matches_in(visitor.search(timed_crops.paths[0]))) == 5


def test_uploads_lie_where_nobody_else_looks(pages):
    (folder,) = pages.temporary.glob("iics-page-*")
    assert folder.stat().st_mode & 0o077 == 0
