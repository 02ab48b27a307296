"""The site in a chromium: complete, readable on a phone, and without a request to anybody."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.slow


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


@pytest.fixture(scope="module")
def address(site):
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(site))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_no_page_is_wider_than_a_phone_asks_elsewhere_or_complains(site, address, chromium):
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    hosts, complaints = set(), []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    for file in sorted(site.glob("*.html")):
        page.goto(f"{address}/{file.name}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, file.name
    page.close()
    assert hosts == {urlsplit(address).netloc}
    assert complaints == []


def test_equations_can_be_seen(address, chromium):
    page = chromium.new_page()
    page.goto(f"{address}/method.html")
    boxes = [equation.bounding_box() for equation in page.locator(".equation svg").all()]
    page.close()
    assert len(boxes) >= 15
    assert all(box["width"] > 40 and 12 < box["height"] < 120 for box in boxes)


def test_the_search_finds_a_flag(address, chromium):
    page = chromium.new_page()
    page.goto(f"{address}/index.html")
    page.get_by_placeholder("Search").fill("mu-power")
    page.wait_for_selector(".md-search-result__item", timeout=20_000)
    assert "Every setting" in page.locator(".md-search-result__list").inner_text()
    page.close()
