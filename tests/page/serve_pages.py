"""Serves the pages that tests visit, in a process of its own: gradio leaves sockets and event loops behind.

Prints their addresses as a line of JSON, and ends when its standard input does.
Arguments: a model file, a folder of camera folders, a run folder, a folder to work in.
"""

from __future__ import annotations

import json
import socket
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from iics.crops import CropSet
from iics.readers.folders import load_folder

if TYPE_CHECKING:
    import gradio as gr

    from iics.gallery.gallery import Gallery

EVIL_CAMERA = "<script>document.title='evil'</script> ${1+1} {{value}}"
USER, PASSWORD = "ada", "long enough"


def timed_crops(folder: Path) -> CropSet:
    """54 crops a minute apart, the third camera with a name that a careless page would run."""
    crops = load_folder(folder).train
    times = 1772352000.0 + 60 * np.arange(len(crops))
    return replace(crops, camera_names=(*crops.camera_names[:2], EVIL_CAMERA), times=times, name="timed")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fill_people(gallery: Gallery) -> None:
    """Write people as linking might have found them: 18 sightings `t<person><camera>` of three crops in 7 identities.

    Identities 1 and 2 are one person and said to be with 0.45; t20 is in identity 3 with 0.5, and belongs to 4.
    """
    from iics.gallery.filters import GalleryFilters
    from iics.people.book import PossibleLink
    from iics.people.kept import KeptSighting
    from iics.people.store import PeopleStore

    cameras, crops = gallery.camera_names(), {}
    for row in sorted(gallery.rows(GalleryFilters()), key=lambda row: row["time"]):
        crops.setdefault(f"t{Path(row['path']).stem[0]}{cameras.index(row['camera'])}", []).append(row)
    number_of = {"t02": 2, "t20": 3, "t21": 4, "t22": 4}
    of_person = {"0": 1, "1": 3, "3": 5, "4": 6, "5": 7}
    sightings = {
        key: KeptSighting(
            key,
            number_of.get(key) or of_person[key[1]],
            {"t20": 0.5}.get(key, 0.95),
            rows[0]["camera"],
            rows[0]["time"],
            rows[-1]["time"],
            tuple(row["crop_id"] for row in rows),
            "made",
        )
        for key, rows in crops.items()
    }
    doubts = (PossibleLink("t00", "t02", 0.45), PossibleLink("t40", "t30", 0.2))
    features = np.eye(len(sightings), gallery.dimension, dtype=np.float32)
    store = PeopleStore.open(gallery, must_exist=False)
    store.write_vectors([each.feature_id for each in sightings.values()], features)
    with store.changing("filled") as changing:
        filled = replace(changing.kept, sightings=sightings, doubts=doubts, settings={"highest": 7})
        changing.commit(filled)


def calm(page: gr.Blocks) -> None:
    """Let a served page look for work every 20 ms; gradio does every millisecond, also when nobody visits."""
    page._queue.sleep_when_free = 0.02


def main(model_file: Path, crops_folder: Path, run: Path, work: Path) -> None:
    from iics.gallery.gallery import Gallery
    from iics.gallery.indexing import index_crops
    from iics.models.reid_model import load_model
    from iics.page.access import Access
    from iics.page.audit_log import AuditLog
    from iics.page.cluster_browser import ClusterBrowser
    from iics.page.marks_book import MarksBook
    from iics.page.people_browser import PeopleBrowser
    from iics.page.run_features import run_features
    from iics.page.server import page_server, search_page
    from iics.page.visitor_search import Searcher

    model = load_model(model_file)
    browser = ClusterBrowser(run, None)
    browser.take_features(run_features(run, model, browser.last.crops, batch_size=64))
    with ExitStack() as stack:
        people = stack.enter_context(Gallery.open_or_create(str(work / "people.db"), model=model))
        index_crops(people, model, timed_crops(crops_folder))
        fill_people(people)
        empty = stack.enter_context(Gallery.open_or_create(str(work / "empty.db"), model=model))
        pages = {
            "people": (Searcher(people, model, MarksBook(work / "marks.csv")), browser, Access(port=free_port())),
            "empty": (Searcher(empty, model, None), None, Access(port=free_port())),
            "locked": (Searcher(people, model, None), None, Access(port=free_port(), user=USER, password=PASSWORD)),
        }
        serve = stack.enter_context(page_server())
        audits = {name: AuditLog(work / f"{name}.jsonl") for name in pages}
        addresses = {}
        for name, (searcher, browser, access) in pages.items():
            page = search_page(searcher, browser, audits[name], PeopleBrowser.of(searcher.gallery))
            addresses[name] = serve(lambda page=page: page, access, audits[name])
            calm(page)
        print(json.dumps(addresses), flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
