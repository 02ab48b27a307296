"""Nobody has more of the page than their share, and nobody reads another's window."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from types import SimpleNamespace

import pytest

pytest.importorskip("gradio", reason="the extra app is not installed")
import httpx

from iics.page import uploads as uploads_module
from iics.page.bounds import (
    REQUESTS_OF_ONE,
    WAITING_IN_A_WINDOW,
    WAITING_OF_ONE,
    WINDOWS_OF_ALL,
    WINDOWS_OF_ONE,
    Bounds,
)
from iics.page.uploads import Uploads
from iics.page.visitors import VISITOR, Visitor

pytestmark = pytest.mark.usefixtures("own_loop")
ADA, BEN = (Visitor(name, "127.0.0.1") for name in ("ada", "ben"))
EVERYBODY = Visitor("no cookie", "127.0.0.1", shares=8)


class Windows:
    """What gradio keeps, as the bounds see it."""

    def __init__(self):
        self.waits, self.unfetched, self.forgotten = Counter(), Counter(), []

    def waiting(self):
        return Counter(self.waits)

    def num_unfetched(self, window):
        return self.unfetched[window]

    def forget(self, window):
        self.forgotten.append(window)


@pytest.fixture
def page(tmp_path):
    return Page(tmp_path)


class Page:
    def __init__(self, folder):
        self.windows, self.uploads, self.visitor = Windows(), Uploads(folder), ADA
        self.bounds = Bounds(self._answer, self.uploads, self.windows)
        self.is_open = None

    async def _answer(self, scope, receive, send):
        body = (await receive())["body"]
        if scope["path"] == "/open":
            await self.is_open.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    def visit(self, do):
        async def app(scope, receive, send):
            scope[VISITOR] = self.visitor
            await self.bounds(scope, receive, send)

        async def visiting():
            self.is_open = asyncio.Event()
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
                return await do(client)

        return asyncio.run(visiting())

    def join(self, window, visitor=ADA):
        self.visitor = visitor
        body = {"data": [], "fn_index": 0, "session_hash": window}
        return self.visit(lambda client: client.post("/gradio_api/queue/join", json=body)).status_code

    def get(self, path, visitor):
        self.visitor = visitor
        return self.visit(lambda client: client.get(path)).status_code

    def upload(self, content=b"x", visitor=ADA, name="a.png"):
        self.visitor = visitor
        return self.visit(lambda client: client.post("/gradio_api/upload", files={"files": (name, content)}))


@pytest.mark.parametrize(("visitor", "most"), [(ADA, REQUESTS_OF_ONE), (EVERYBODY, 8 * REQUESTS_OF_ONE)])
def test_requests_in_flight_are_counted(page, visitor, most):
    async def visit(client):
        page.visitor = visitor
        flying = [asyncio.create_task(client.get("/open")) for _ in range(most)]
        await asyncio.sleep(0.1)
        refused = (await client.get("/config")).status_code
        page.visitor = BEN
        other = (await client.get("/config")).status_code
        page.is_open.set()
        answers = {(await each).status_code for each in flying}
        page.visitor = visitor
        return refused, other, answers, (await client.get("/config")).status_code

    assert page.visit(visit) == (429, 200, {200}, 200)


def test_what_is_sent_comes_through_whole(page):
    body = {"session_hash": "w", "data": ["x" * 200_000]}
    answer = page.visit(lambda client: client.post("/gradio_api/queue/join", json=body))
    assert json.loads(answer.content) == body


def test_a_window_waits_for_a_bounded_number_of_answers(page):
    page.windows.waits["w"] = WAITING_IN_A_WINDOW - 1
    assert page.join("w") == 200
    page.windows.waits["w"] = WAITING_IN_A_WINDOW
    assert page.join("w") == 429
    assert page.join("other") == 200


def test_a_visitor_waits_for_a_bounded_number_of_answers(page):
    names = [f"w{at}" for at in range(4)]
    assert [page.join(name) for name in names] == [200] * 4
    page.windows.waits.update(dict.fromkeys(names, WAITING_OF_ONE // 4))
    assert page.join("w5") == 429
    assert page.join("other", BEN) == 200


def test_who_fetches_no_answers_gets_no_more(page):
    page.windows.unfetched["w"] = 24
    assert page.join("w") == 429


def test_a_window_too_many_takes_the_place_of_the_own_oldest(page):
    assert page.join("bens", BEN) == 200
    assert {page.join(f"w{at}") for at in range(WINDOWS_OF_ONE + 3)} == {200}
    assert page.windows.forgotten == ["w0", "w1", "w2"]
    page.windows.waits.update({f"w{at}": 1 for at in range(3, WINDOWS_OF_ONE + 3)})
    assert page.join("onemore") == 429


def test_windows_of_all_are_bounded_and_whoever_has_most_gives_way(page):
    page.join("greedy", EVERYBODY)
    assert page.join("bens", BEN) == 200
    assert {page.join(f"e{at}", EVERYBODY) for at in range(60)} == {200}
    others = WINDOWS_OF_ALL - 62
    assert {page.join(f"o{at}", Visitor(f"v{at}", "")) for at in range(others + 5)} == {200}
    assert page.windows.forgotten == ["greedy", "e0", "e1", "e2", "e3"]


@pytest.mark.parametrize("path", ["/gradio_api/queue/data?session_hash=w", "/gradio_api/heartbeat/w"])
def test_nobody_reads_the_window_of_another(page, path):
    page.join("w")
    assert (page.get(path, ADA), page.get(path, BEN)) == (200, 403)
    assert page.join("w", BEN) == 403


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"session_hash": 1}',
        b'{"session_hash": "a/b"}',
        b"\xff",
        b"[" * 100_000,
        b'{"session_hash": "%s"}' % (b"x" * 65),
    ],
)
def test_a_request_without_a_window_is_refused(page, content):
    assert page.visit(lambda client: client.post("/queue/join", content=content)).status_code == 400


def test_an_upload_lies_alone_under_a_name_that_nobody_guesses(page, tmp_path):
    (first,), (second,) = (page.upload(b"same", name="../../a.png").json() for _ in range(2))
    assert first != second
    assert sorted(str(file) for file in tmp_path.rglob("*.png")) == sorted([first, second])


def test_uploads_of_a_visitor_are_bounded_and_the_oldest_go(page, tmp_path):
    bens = page.upload(b"ben", BEN).json()[0]
    taken = [page.upload(b"%d" % at).json()[0] for at in range(uploads_module.FILES_OF_ONE + 5)]
    assert sorted(str(file) for file in tmp_path.rglob("*.png")) == sorted([*taken[5:], bens])
    large = [page.upload(bytes(9_000_000)).status_code for _ in range(8)]
    assert large == [200] * 8
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.png")) <= uploads_module.BYTES_OF_ONE + 3
    assert (tmp_path / bens).exists()
    assert len(list(tmp_path.iterdir())) == len(list(tmp_path.rglob("*.png")))  # no empty folder is left


def test_uploads_of_all_are_bounded_and_whoever_has_most_gives_way(page, tmp_path, monkeypatch):
    monkeypatch.setattr(uploads_module, "BYTES_OF_ALL", 100)
    page.upload(bytes(30), BEN)
    for at in range(5):
        page.upload(bytes(20), Visitor(f"v{at}", ""))
    sizes = sorted(file.stat().st_size for file in tmp_path.rglob("*.png"))
    assert sizes == [20, 20, 20, 20, 20]


def test_uploads_go_after_two_minutes(page, tmp_path, monkeypatch):
    page.upload()
    page.uploads.remove_old()
    assert len(list(tmp_path.iterdir())) == 1
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 121)
    monkeypatch.setattr(uploads_module, "time", later)
    page.uploads.remove_old()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"files": {"files": ("a.png", bytes(10_000_001))}}, 413),
        ({"files": [("files", ("a.png", b"x")), ("files", ("b.png", b"x"))]}, 400),
        ({"files": {"other": ("a.png", b"x")}}, 400),
        ({"data": {"files": "no file"}}, 400),
        ({"content": b"--x\r\nbroken", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400),
        ({"json": {}}, 400),
    ],
)
def test_what_is_no_upload_is_refused_and_leaves_nothing(page, tmp_path, form, status):
    assert page.visit(lambda client: client.post("/gradio_api/upload", **form)).status_code == status
    assert list(tmp_path.iterdir()) == []
