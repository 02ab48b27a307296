"""`iics app`: a page to search a gallery, mark matches, correct its people, and browse the clusters of a run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from iics.cli.gallery_model import centring_of, model_of_gallery
from iics.cli.model_file import load_model_or_run
from iics.cli.parse import parse
from iics.cli.source import DataSource
from iics.config import Centre
from iics.home_folder import expanded
from iics.progress_display import count_display
from iics.ranges import BATCH, check_ranges, number, whole

if TYPE_CHECKING:
    from iics.page.cluster_browser import ClusterBrowser


@dataclass(frozen=True)
class AppCommand:
    """Serve a page: search a gallery with a crop, mark what is found; correct its people; browse the clusters of a run.

    The page is for this machine alone unless --host says otherwise, which takes --user and a password. It loads nothing
    from elsewhere and tells nobody anything (docs/page.md). Needs the extra app.
    """

    gallery: tyro.conf.Positional[str]
    """A gallery that `iics index` made: a folder ending in .db, or a Milvus server's address."""
    model: Path | None = None
    """Model of the gallery's features, or its run folder; by default the one the gallery was indexed with."""
    collection: str = "iics"
    """Name of the gallery in its database."""
    run: Path | None = None
    """Run folder whose clusters can be browsed; its features are computed once and kept there."""
    marks: Path | None = None
    """Table (CSV) that keeps what is marked right and wrong; none are taken without it."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, whole(1, 65535)] = 7860
    """Port to listen on."""
    user: str = ""
    """Who may log in; the password comes from --password-file or the environment variable IICS_PASSWORD."""
    password_file: Path | None = None
    """File that holds the password as its only line."""
    session_hours: Annotated[float, number(0.01, 168)] = 12.0
    """Hours after which a log-in ends."""
    trusted_proxy: str = ""
    """Address or network of a proxy before the page, whose X-Forwarded-For is believed; nobody's is without it."""
    audit_log: Path | None = None
    """File of who logged in, who failed to, who searched for what, marked what and corrected which people; lines of
    JSON."""
    centre: Centre | None = None
    """Compare features less their camera's mean: off, on, or auto, which decides without labels; by default as iics
    index was told (docs/centring.md)."""
    batch_size: Annotated[int, BATCH] = 128
    """Crops of the run that go through the network at once."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda."""

    def __post_init__(self) -> None:
        check_ranges(self, prefix="--")


def main(arguments: list[str]) -> int:
    """Run the command."""
    command = parse(AppCommand, arguments, command="app")
    from iics.page.access import Access, read_password
    from iics.page.audit_log import AuditLog
    from iics.page.marks_book import MarksBook
    from iics.page.people_browser import PeopleBrowser
    from iics.page.server import check_gradio, page_server, search_page

    password = read_password(command.password_file) if command.user or command.password_file else ""
    access = Access(command.host, command.port, command.user, password, command.session_hours, command.trusted_proxy)
    check_gradio()
    audit = AuditLog(None if command.audit_log is None else expanded(command.audit_log))
    marks = None if command.marks is None else MarksBook(expanded(command.marks))
    from iics.gallery.gallery import Gallery
    from iics.page.visitor_search import Searcher

    with stopping(), Gallery.open(command.gallery, collection=command.collection) as gallery:
        model = model_of_gallery(gallery, command.model, device=command.device)
        is_centred = centring_of(gallery, model, command.centre).is_centred
        searcher = Searcher(gallery, model, marks, is_centred=is_centred)
        browser = None if command.run is None else _browser(expanded(command.run), command)
        people = PeopleBrowser.of(gallery, model.header.subject)
        with page_server() as serve:
            address = serve(lambda: search_page(searcher, browser, audit, people), access, audit)
            print(f"{address}  (Ctrl-C ends it)", flush=True)
            threading.Event().wait()
    return 0


@contextmanager
def stopping() -> Iterator[None]:
    """End the block in order on Ctrl-C and when the process is asked to end."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)


def _browser(run: Path, command: AppCommand) -> ClusterBrowser:
    from iics.models.extraction_memory import check_extraction_fits
    from iics.page.cluster_browser import ClusterBrowser
    from iics.page.run_features import run_features
    from iics.runs.run_folder import RunFolder

    source = DataSource.from_values(RunFolder.open(run).source())
    browser = ClusterBrowser(run, None if source is None else source.load())
    crops = browser.last.crops
    model = load_model_or_run(run, device=command.device)
    check_extraction_fits(model, len(crops), batch_size=command.batch_size)
    with count_display("features of the run", len(crops)) as progress:
        browser.take_features(run_features(run, model, crops, batch_size=command.batch_size, progress=progress))
    return browser
