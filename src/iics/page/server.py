"""The page's server: gradio, told to share nothing, to keep no files, and to stand behind the guard."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import resources
from typing import TYPE_CHECKING

from iics.errors import PageError
from iics.page.access import Access
from iics.page.audit_log import AuditLog
from iics.page.guard import LOCAL_NAMES, Guard
from iics.page.query_picture import MAX_BYTES
from iics.page.silent_connections import watch_connections
from iics.page.uploads import upload_folder

if TYPE_CHECKING:
    import gradio as gr
    from starlette.middleware import Middleware

    from iics.page.cluster_browser import ClusterBrowser
    from iics.page.people_browser import PeopleBrowser
    from iics.page.uploads import Uploads
    from iics.page.visitor_search import Searcher

logger = logging.getLogger(__name__)

_SESSIONS_KEPT = 256
"""By gradio; a few more than there may be windows, so that it never has to choose."""
_MOST_AT_ONCE = 256
"""Requests that gradio takes from its own queue at once: more than may wait, so that turns alone make the order."""
_STYLES = ("page.css", "label.css", "people.css")
_UPLOADS = "GRADIO_TEMP_DIR"
_TRUSTED_PROXY = "FORWARDED_ALLOW_IPS"
"""Where uvicorn reads whose X-Forwarded-For it believes; unset, it believes every program on this machine."""


Serve = Callable[[Callable[[], "gr.Blocks"], Access, AuditLog], str]
"""Serves a page and returns its address: what builds it, whom it lets in, and what notes who did what."""


@contextmanager
def page_server() -> Iterator[Serve]:
    """Yield a function that serves a page until the block ends; one block a process at a time.

    The function raises PageError if nothing can listen at the address.

    Raises:
        PageError: If gradio is not installed.
    """
    check_gradio()
    from iics.page.uploads import Uploads

    with upload_folder() as folder, _variable(_UPLOADS, str(folder)), ExitStack() as pages:
        uploads = Uploads(folder)
        pages.enter_context(uploads.tidied())

        def serve(build: Callable[[], gr.Blocks], access: Access, audit: AuditLog) -> str:
            if not access.is_local:
                logger.warning("Passwords travel unencrypted over HTTP; put the page behind a proxy that speaks HTTPS.")
            page = build()
            pages.callback(page.close, verbose=False)
            with _variable(_TRUSTED_PROXY, access.trusted_proxy):
                return _launch(page, access, _doors(page, access, audit, uploads))

        yield serve


def check_gradio() -> None:
    """Refuse to go on without gradio.

    Raises:
        PageError: If it is not installed.
    """
    if importlib.util.find_spec("gradio") is None:
        raise PageError("The page needs gradio; install it: pip install 'iics[app]'.")


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Within the block an environment variable has a value of ours."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def search_page(
    searcher: Searcher, browser: ClusterBrowser | None, audit: AuditLog, people: PeopleBrowser | None = None
) -> gr.Blocks:
    """Return the page of `iics app`: what the tab "Search" asks, the gallery's people and a run's clusters if any."""
    import gradio as gr

    from iics.page.clusters_tab import build_clusters_tab
    from iics.page.lookalikes import Lookalikes
    from iics.page.people_tab import build_people_tab
    from iics.page.search_tab import build_search_tab
    from iics.page.turns import Turns

    turns = Turns()
    with gr.Blocks(title="IICS", fill_width=True) as page:
        what = searcher.model.header.told("Find a person in a gallery of crops")
        gr.HTML(f"<header class='iics-header'><h1>IICS</h1><p>{what}</p></header>")
        with gr.Tab("Search"):
            build_search_tab(searcher, audit, turns, people)
        with gr.Tab(searcher.model.header.told("people").capitalize()):
            build_people_tab(people, Lookalikes(searcher.gallery, searcher.camera_means), audit, turns)
        with gr.Tab("Clusters"):
            build_clusters_tab(browser, turns)
    return page


def _doors(page: gr.Blocks, access: Access, audit: AuditLog, uploads: Uploads) -> list[Middleware]:
    """Return what a request passes before gradio sees it, the outermost first."""
    from starlette.middleware import Middleware

    from iics.page.bounds import Bounds, Windows
    from iics.page.log_in import LogIn
    from iics.page.visitors import Visitors

    who = Middleware(LogIn, access=access, audit=audit) if access.user else Middleware(Visitors)
    bounds = Middleware(Bounds, uploads=uploads, windows=Windows(page))
    return [Middleware(Guard, names=_names(access)), who, bounds]


def _launch(page: gr.Blocks, access: Access, doors: list[Middleware]) -> str:
    import gradio as gr

    fonts = ["system-ui", "sans-serif"]  # of the system: gradio's own choice would be fetched from elsewhere
    page.queue(max_size=_MOST_AT_ONCE, api_open=False, default_concurrency_limit=None)
    try:
        _, address, _ = page.launch(
            server_name=f"[{access.host}]" if ":" in access.host else access.host,
            server_port=access.port,
            max_file_size=MAX_BYTES,
            app_kwargs={"middleware": doors},
            max_threads=_MOST_AT_ONCE,
            theme=gr.themes.Base(primary_hue="teal", neutral_hue="slate", font=fonts, font_mono=["monospace"]),
            css="".join(resources.files("iics.page").joinpath(name).read_text(encoding="utf-8") for name in _STYLES),
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
    watch_connections(page.server)
    return str(address)


def _names(access: Access) -> tuple[str, ...] | None:
    """Return the names a page on this machine answers to; None, for any, where a log-in protects it."""
    return (*LOCAL_NAMES, access.host) if access.is_local else None
