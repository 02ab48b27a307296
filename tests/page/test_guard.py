"""The guard: what the page needs passes, everything else is answered before gradio sees it."""

import asyncio

import pytest

from iics.page.guard import LOCAL_NAMES, MAX_REQUEST_BYTES, Guard

pytestmark = pytest.mark.usefixtures("own_loop")
LOCAL = {"host": "127.0.0.1:7860"}


def ask(path, *, headers=LOCAL, body=(b"",), names=LOCAL_NAMES):
    """Return status, headers and the bytes that the application behind the guard read, None if it was not reached."""
    received = []

    async def behind(scope, receive, send):
        total = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                received.append("cut off")
                return
            total += len(message["body"])
            if not message["more_body"]:
                break
        received.append(total)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Referrer-Policy", b"unsafe-url")]})
        await send({"type": "http.response.body", "body": b""})

    sent = []
    parts = [{"type": "http.request", "body": part, "more_body": at < len(body) - 1} for at, part in enumerate(body)]

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}
    asyncio.run(Guard(behind, names)(scope, receive, send))
    status = sent[0]["status"] if sent else None
    return status, dict(sent[0]["headers"]) if sent else {}, received[0] if received else None


@pytest.mark.parametrize(
    "path",
    ["/", "/assets/index.js", "/static/img/logo.svg", "/config", "/theme.css", "/login"]
    + [f"/gradio_api/{name}" for name in ("upload", "queue/join", "queue/data", "heartbeat/ab12", "info")],
)
def test_what_the_page_needs_passes(path):
    assert ask(path)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../etc/passwd",
        "/file=/etc/passwd",
        "/gradio_api/proxy=https://example.com/",
        "/gradio_api/process_recording",
        "/gradio_api/vibe-edit",
        "/gradio_api/run/predict",
        "/gradio_api/call/search",
        "/gradio_api/stream/a/b/c/playlist.m3u8",
        "/gradio_api/deep_link",
        "/gradio_api/upload/../file=/etc/passwd",
        "/monitoring",
        "/docs",
        "//gradio_api/file=/etc/passwd",
    ],
)
def test_everything_else_is_not_there(path):
    assert ask(path)[::2] == (404, None)


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:7860", "127.0.0.1.attacker.example", ""])
def test_a_page_of_this_machine_answers_to_no_other_name(host):
    assert ask("/", headers={"host": host})[::2] == (421, None)


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1", "[::1]:7860"])
def test_it_answers_to_the_names_of_this_machine(host):
    assert ask("/", headers={"host": host})[0] == 200


def test_behind_a_log_in_any_name_will_do():
    assert ask("/", headers={"host": "cameras.example"}, names=None)[0] == 200


@pytest.mark.parametrize("origin", ["http://attacker.example", "null", "http://127.0.0.1:9999", "http://[x", ""])
def test_requests_from_other_sites_are_refused(origin):
    assert ask("/gradio_api/queue/join", headers={**LOCAL, "origin": origin})[::2] == (403, None)


def test_requests_from_the_page_pass():
    assert ask("/gradio_api/queue/join", headers={**LOCAL, "origin": "http://127.0.0.1:7860"})[0] == 200


@pytest.mark.parametrize("length", [str(MAX_REQUEST_BYTES + 1), "-1", "many"])
def test_a_request_that_is_too_long_is_refused_unread(length):
    assert ask("/gradio_api/upload", headers={**LOCAL, "content-length": length})[::2] == (413, None)


def test_a_request_that_does_not_tell_its_length_is_cut_off():
    part = bytes(MAX_REQUEST_BYTES // 4)
    assert ask("/gradio_api/upload", body=[part] * 4)[2] == 4 * len(part)
    assert ask("/gradio_api/upload", body=[part] * 5)[2] == "cut off"


def test_every_answer_forbids_other_hosts_and_frames():
    for path in ("/", "/nothing"):
        headers = ask(path)[1]
        assert b"default-src 'self'" in headers[b"content-security-policy"]
        assert b"frame-ancestors 'none'" in headers[b"content-security-policy"]
        assert headers[b"referrer-policy"] == b"no-referrer"
        assert b"Referrer-Policy" not in headers


def test_web_sockets_are_not_answered():
    async def behind(*_):
        raise AssertionError("reached")

    asyncio.run(Guard(behind, None)({"type": "websocket", "path": "/", "headers": []}, None, None))
