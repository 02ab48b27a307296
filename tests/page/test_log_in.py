"""Before the log-in nothing is told; after it everything works until it ends."""

from __future__ import annotations

import asyncio
import json
import re
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("gradio", reason="the extra app is not installed")
import httpx

from iics.errors import WriteError
from iics.page import log_in as log_in_module
from iics.page.access import Access
from iics.page.audit_log import AuditLog
from iics.page.guard import _NEEDED
from iics.page.log_in import LogIn
from iics.page.visitors import VISITOR

pytestmark = pytest.mark.usefixtures("own_loop")
ACCESS = Access(user="ada", password="long enough", session_hours=1)
NAMES = [name for name in re.split(r"[|()?/\\.+*]+", _NEEDED.pattern) if name]
RIGHT = {"username": "ada", "password": "long enough"}


def addresses():
    """Every address that the guard passes, with and without what gradio takes in them."""
    plain = ["", "login", "logout", "config", "theme.css", "favicon.ico", "robots.txt", "heartbeat/abc"]
    plain += ["static/img/logo.svg", "assets/index.js", "svelte/svelte.js", "info", "app_id", "startup-events"]
    plain += ["login_check", "user", "upload", "queue/join", "queue/data?session_hash=a", "reset", "cancel"]
    plain += ["?deep_link=a", "?view=api", "?__theme=dark", "info?all_endpoints=true"]
    return [prefix + path for path in plain for prefix in ("/", "/gradio_api/")]


def test_the_addresses_are_all_that_the_guard_passes():
    tried = "".join(addresses())
    assert [name for name in NAMES if name not in tried and name not in ("w", "css", "ico", "txt")] == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_a_stranger_is_told_nothing_of_the_gallery_anywhere(pages, timed_crops, serve_pages, method):
    told = ""
    with httpx.Client(base_url=pages.locked, timeout=60) as client:
        for address in addresses():
            answer = client.request(method, address)
            told += f"{address} {answer.headers} {answer.text}\n"
            assert answer.status_code in (200, 400, 401, 404, 405), address
    secrets = [*timed_crops.camera_names, "people.db", "only-cameras", "54 crops", "gradio_config", "iics-upload"]
    secrets += [serve_pages.USER, serve_pages.PASSWORD, "fingerprint", "resnet", str(timed_crops.paths[0].parent)]
    assert [secret for secret in secrets if secret in told] == []
    assert "IICS" in told or method in ("HEAD", "POST", "OPTIONS")


def test_a_stranger_starts_no_session_in_gradio(pages):
    with httpx.Client(base_url=pages.locked) as client:
        assert client.get("/").cookies == {}
        assert client.get("/gradio_api/heartbeat/abc").status_code == 401
        assert client.cookies == {}


def test_a_browser_is_led_to_the_page_and_a_program_is_told(pages):
    form = {"data": RIGHT}
    with httpx.Client(base_url=pages.locked) as client:
        answer = client.post("/login", **form)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        assert "only-cameras" in client.get("/").text or "iics-upload" in client.get("/").text
    browser = httpx.post(f"{pages.locked}/login", **form, headers={"accept": "text/html,*/*"})
    assert (browser.status_code, browser.headers["location"]) == (303, "./")
    cookies = browser.headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert all("HttpOnly" in cookie and "SameSite=Strict" in cookie for cookie in cookies)


def test_where_a_request_says_it_comes_from_is_not_believed(pages):
    wrong = {"username": "ada", "password": "wrong"}
    httpx.post(f"{pages.locked}/login", data=wrong, headers={"x-forwarded-for": "10.9.8.7"}, timeout=60)
    lines = [json.loads(line) for line in (pages.marks.parent / "locked.jsonl").read_text().splitlines()]
    assert {line["address"] for line in lines if line["event"] == "log-in failed"} == {"127.0.0.1"}


class Page:
    """The page behind the log-in, in this process: what a request comes to."""

    def __init__(self, access=ACCESS, audit=None):
        self.visitors = []
        app = LogIn(self._answer, access, audit or AuditLog(None))
        self.transport = httpx.ASGITransport(app, client=("10.0.0.7", 1))

    async def _answer(self, scope, receive, send):
        self.visitors.append(scope.get(VISITOR))
        if scope["path"] == "/slow":
            await asyncio.sleep(30)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"inside"})

    def visit(self, do):
        async def visiting():
            async with httpx.AsyncClient(transport=self.transport, base_url="http://page") as client:
                return await do(client)

        return asyncio.run(visiting())


def test_who_logged_in_is_known_behind_it():
    page = Page()

    async def visit(client):
        await client.post("/login", data=RIGHT)
        return (await client.get("/")).text

    assert page.visit(visit) == "inside"
    (visitor,) = page.visitors
    assert (visitor.user, visitor.address, visitor.shares) == ("ada", "10.0.0.7", 1)


def test_a_log_in_ends_after_its_hours_and_cuts_off_what_is_open(monkeypatch):
    page = Page()

    def at(moment):
        monkeypatch.setattr(log_in_module, "time", SimpleNamespace(monotonic=lambda: moment))

    async def visit(client):
        await client.post("/login", data=RIGHT)
        now = time.monotonic()
        at(now + 3599.8)
        open_still = (await client.get("/config")).status_code
        with pytest.raises(AssertionError):  # httpx's: the answer was cut off before it began
            await asyncio.wait_for(client.get("/slow"), 10)
        at(now + 3601)
        return open_still, (await client.get("/config")).status_code

    assert page.visit(visit) == (200, 401)


def test_a_log_out_ends_it(tmp_path):
    page = Page(audit=AuditLog(tmp_path / "audit.jsonl"))

    async def visit(client):
        await client.post("/login", data=RIGHT)
        stolen = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        inside = (await client.get("/config", headers={"cookie": stolen})).status_code
        await client.get("/logout")
        return inside, (await client.get("/config", headers={"cookie": stolen})).status_code

    assert page.visit(visit) == (200, 401)
    events = [json.loads(line)["event"] for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert events == ["start", "log-in", "log-out"]


@pytest.mark.parametrize("cookie", ["", "a", "a.b", "é", 'iics="', "x" * 5000])
def test_no_other_cookie_logs_in(cookie):
    page = Page()

    async def visit(client):
        await client.post("/login", data=RIGHT)
        names = list(client.cookies)
        client.cookies.clear()
        header = "; ".join(f"{name}={cookie}" for name in names).encode()
        return (await client.get("/config", headers={"cookie": header})).status_code

    assert page.visit(visit) == 401


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"username=ada",
        b"password=long+enough",
        b"a=b&" * 900,
        b"username=ada&password=" + b"x" * 5000,
        b"username=%ff&password=%ff",
    ],
)
def test_a_damaged_form_is_answered(content):
    kind = {"content-type": "application/x-www-form-urlencoded"}

    async def visit(client):
        return (await client.post("/login", content=content, headers=kind)).status_code

    assert Page().visit(visit) == 400


def test_failed_log_ins_are_noted_and_what_was_typed_is_not(tmp_path, caplog):
    page = Page(audit=AuditLog(tmp_path / "audit.jsonl"))

    async def visit(client):
        tries = [("ada", "wrong one"), ("my secret", "wrong two")]
        return [(await client.post("/login", data={"username": u, "password": p})).status_code for u, p in tries]

    assert page.visit(visit) == [400, 400]
    text = (tmp_path / "audit.jsonl").read_text()
    failed = [json.loads(line) for line in text.splitlines()][1:]
    assert [(line["event"], line["address"], line["user"]) for line in failed] == [
        ("log-in failed", "10.0.0.7", "ada"),
        ("log-in failed", "10.0.0.7", "another"),
    ]
    assert "wrong" not in text + caplog.text
    assert "secret" not in text + caplog.text
    assert caplog.messages == ["A log-in from 10.0.0.7 failed."] * 2


def test_what_cannot_be_noted_is_not_done(tmp_path):
    audit = AuditLog(tmp_path / "audit.jsonl")
    page = Page(audit=audit)
    (tmp_path / "audit.jsonl").unlink()
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(WriteError):
        audit.note("search")

    async def visit(client):
        return (await client.post("/login", data=RIGHT)).status_code, (await client.get("/config")).status_code

    assert page.visit(visit) == (503, 401)


def test_guesses_beyond_those_that_may_wait_are_answered_429():
    async def visit(client):
        guesses = [client.post("/login", data={"username": "ada", "password": f"guess {at}"}) for at in range(30)]
        pending = [asyncio.ensure_future(guess) for guess in guesses]
        done, waiting = await asyncio.wait(pending, timeout=2)
        answers = [each.result() for each in done]
        for each in waiting:
            each.cancel()
        return [(answer.status_code, answer.headers.get("retry-after")) for answer in answers]

    answers = Page().visit(visit)
    assert 18 <= answers.count((429, "10")) <= 21  # one is checked at once, eight wait; more after a second
    assert set(answers) <= {(429, "10"), (400, None)}
