"""The page's server: gradio, told to share nothing, to keep no files, and to stand behind the guard."""

from __future__ import annotations

import importlib.util
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import resources
from typing import TYPE_CHECKING

from iics.errors import PageError
from iics.page.access import Access
from iics.page.guard import LOCAL_NAMES, Guard
from iics.page.query_picture import MAX_BYTES

if TYPE_CHECKING:
    import gradio as gr

    from iics.page.cluster_browser import ClusterBrowser
    from iics.page.search import Searcher

logger = logging.getLogger(__name__)

_SECONDS_AN_UPLOAD_LIES = 120
_SESSIONS_KEPT = 200
_UPLOADS = "GRADIO_TEMP_DIR"


Serve = Callable[["Searcher", "ClusterBrowser | None", Access], str]
"""Serves a page and returns its address: what the tab "Search" asks, the clusters of a run if any, whom it lets in."""


@contextmanager
def page_server() -> Iterator[Serve]:
    """Yield a function that serves a page until the block ends; one block a process at a time.

    The function raises PageError if nothing can listen at the address.

    Raises:
        PageError: If gradio is not installed.
    """
    check_gradio()
    with (
        tempfile.TemporaryDirectory(prefix="iics-page-") as folder,
        _uploads_in(folder),
        ExitStack() as pages,
    ):

        def serve(searcher: Searcher, browser: ClusterBrowser | None, access: Access) -> str:
            if not access.is_local:
                logger.warning("Passwords travel unencrypted over HTTP; put the page behind a proxy that speaks HTTPS.")
            page = _build(searcher, browser)
            pages.callback(page.close, verbose=False)
            return _launch(page, access)

        yield serve


def check_gradio() -> None:
    """Refuse to go on without gradio.

    Raises:
        PageError: If it is not installed.
    """
    if importlib.util.find_spec("gradio") is None:
        raise PageError("The page needs gradio; install it: pip install 'iics[app]'.")


@contextmanager
def _uploads_in(folder: str) -> Iterator[None]:
    """Within the block gradio keeps uploads in a folder of our own."""
    before = os.environ.get(_UPLOADS)
    os.environ[_UPLOADS] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ[_UPLOADS]
        else:
            os.environ[_UPLOADS] = before


def _build(searcher: Searcher, browser: ClusterBrowser | None) -> gr.Blocks:
    import gradio as gr

    from iics.page.clusters_tab import build_clusters_tab
    from iics.page.search_tab import build_search_tab

    lifetime = (_SECONDS_AN_UPLOAD_LIES // 2, _SECONDS_AN_UPLOAD_LIES)
    with gr.Blocks(title="IICS", delete_cache=lifetime, fill_width=True) as page:
        gr.HTML("<header class='iics-header'><h1>IICS</h1><p>Find a person in a gallery of crops</p></header>")
        with gr.Tab("Search"):
            build_search_tab(searcher)
        with gr.Tab("Clusters"):
            build_clusters_tab(browser)
    return page


def _launch(page: gr.Blocks, access: Access) -> str:
    import gradio as gr
    from starlette.middleware import Middleware

    fonts = ["system-ui", "sans-serif"]  # of the system: gradio's own choice would be fetched from elsewhere
    page.queue(max_size=256, api_open=False)
    try:
        _, address, _ = page.launch(
            server_name=f"[{access.host}]" if ":" in access.host else access.host,
            server_port=access.port,
            auth=access.log_in(),
            max_file_size=MAX_BYTES,
            app_kwargs={"middleware": [Middleware(Guard, names=_names(access))]},
            theme=gr.themes.Base(primary_hue="teal", neutral_hue="slate", font=fonts, font_mono=["monospace"]),
            css=resources.files("iics.page").joinpath("page.css").read_text(encoding="utf-8"),
            state_session_capacity=_SESSIONS_KEPT,
            prevent_thread_lock=True,
            share=False,
            inbrowser=False,
            show_error=False,
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            footer_links=[],
            quiet=True,
        )
    except OSError as error:
        raise PageError(
            f"Cannot listen on {access.host}, port {access.port}: {error}. Choose another --port."
        ) from error
    return str(address)


def _names(access: Access) -> tuple[str, ...] | None:
    """Return the names a page on this machine answers to; None, for any, where a log-in protects it."""
    return (*LOCAL_NAMES, access.host) if access.is_local else None
