"""report.html: a run on one page. A `ToldRun` in, text out that needs neither network nor scripts.

Pictures are embedded as data. The template escapes every text, because names of files and cameras may be anything.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import jinja2

from iics.atomic import write_atomically
from iics.errors import RunFolderError
from iics.reports.advice import Advice, advice_of
from iics.reports.camera_pairs_file import CameraPairMatrices
from iics.reports.judgement_file import CLUSTER_SHEET, JUDGEMENT, MATCH_SHEET, MISTAKE_SHEET, Judgement
from iics.reports.picture import ReportFigure
from iics.reports.pictures import run_figures
from iics.reports.plot_style import data_uri, figure_bytes, save_figure
from iics.reports.report_tables import across_table, data_rows, phase_table, round_table, tiles
from iics.reports.run_warning import RunWarning
from iics.reports.told_run import ToldRun, setting_text
from iics.reports.warnings import nothing_found, run_warnings
from iics.runs.run_files import read_bytes
from iics.settings_json import leaves
from iics.shown_name import shown

REPORT = "report.html"
_TEMPLATE = "report_template.html"
_PICTURE_QUALITY = 88
_REMAKE_SHEET = "Delete it, or write it anew with iics evaluate --contact-sheet."
_REMAKE_CROPS = f"Delete it; without {JUDGEMENT}, iics train --resume writes it anew while the crops can be read."
_SHEETS = {
    CLUSTER_SHEET: (
        "Clusters of the last round",
        "Each row is a cluster; above it the mean similarity of its pairs of crops. Four crops nearest to its mean, "
        "then four farthest; below each its camera and its similarity to that mean. One person in a row: good. Two "
        "people: clusters are too large, or the cameras confuse them.",
    ),
    MISTAKE_SHEET: (
        "What the labels get wrong",
        "By the known identities, which training never saw: the last round's clusters with the most pairs of crops of "
        "two people, a gap between people; then the people with the most pairs of crops in two clusters, a gap between "
        "clusters. Up to four people, or clusters, are shown of each.",
    ),
    MATCH_SHEET: (
        "Matches across cameras",
        "Blue: a crop. Then the three most similar crops of other cameras with their similarity, by the trained model "
        "and, after the gap, by the model before training. The middling rows are what to expect of a search.",
    ),
}


@dataclass(frozen=True, eq=False)
class JudgedCrops:
    """What a run's own crops say of its model, and the pictures of them.

    Attributes:
        judgement: None before training ended, and in runs of older versions.
        sheets: The pictures that are there, by the heading they stand under: what they show, and their JPEG.
    """

    judgement: Judgement | None = None
    sheets: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> JudgedCrops:
        """Read what lies in a run folder.

        Raises:
            RunFolderError: If something in it cannot be read.
        """
        found = {
            heading: (says, read_bytes(folder / name, way_out=_REMAKE_CROPS))
            for name, (heading, says) in _SHEETS.items()
            if (folder / name).exists()
        }
        return cls(Judgement.read(folder), found)


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write the report of a run folder, finished or not; return the file.

    Args:
        folder: The run folder.
        out: Where to; None writes report.html into the folder.

    Raises:
        RunFolderError: If it is no run folder, or something in it cannot be read.
        WriteError: If the report cannot be written.
    """
    path = out or folder / REPORT
    picture = folder / "contact_sheet.png"
    ranked_lists = read_bytes(picture, way_out=_REMAKE_SHEET) if picture.exists() else None
    page = report_html(
        ToldRun.read(folder),
        ranked_lists=ranked_lists,
        camera_pairs=CameraPairMatrices.read(folder),
        judged=JudgedCrops.read(folder),
    )
    write_atomically(path, page.encode(errors="replace"))  # bytes of names that are no UTF-8 become question marks
    return path


def write_run_figures(folder: Path, out: Path) -> list[Path]:
    """Write every picture of a run's report as SVG, PDF and PNG, named after its title; return the files.

    Raises:
        RunFolderError: If it is no run folder, or something in it cannot be read.
        WriteError: If a picture cannot be written.
    """
    run = ToldRun.read(folder)
    figures = run_figures(run, CameraPairMatrices.read(folder))
    for drawn in figures:
        _retell(drawn, run.subject.told)
    return [file for drawn in figures for file in save_figure(drawn.figure, out / drawn.file_name)]


def report_html(
    run: ToldRun,
    *,
    ranked_lists: bytes | None = None,
    camera_pairs: CameraPairMatrices | None = None,
    judged: JudgedCrops | None = None,
) -> str:
    """Return the page of a run.

    Args:
        run: The run.
        ranked_lists: The picture contact_sheet.png; None if there is none.
        camera_pairs: Accuracy by pair of cameras; None if it was not recorded.
        judged: What the run's own crops say of its model; None for nothing.

    Raises:
        RunFolderError: If a picture cannot be decoded.
    """
    judged, told = judged or JudgedCrops(), run.subject.told
    kind = "supervised training on identities" if run.is_supervised else "training without identities"
    return page_of(
        _TEMPLATE,
        kind="IICS run",
        name=run.name,
        data=run.data_name,
        progress=f"{kind}, {run.progress}",
        tiles=[(told(name), value) for name, value in tiles(run)],
        warnings=[RunWarning(told(one.title), told(one.finding), told(one.advice)) for one in run_warnings(run)],
        nothing_found=told(nothing_found(run)),
        has_clusters=bool(run.clusterings),
        is_one_camera=run.num_cameras == 1,
        training_similarity=run.training_similarity,
        has_rounds=bool(run.trained),
        sections=embedded(run_figures(run, camera_pairs), told=told),
        ranked_lists=_as_jpeg(ranked_lists, "contact_sheet.png", way_out=_REMAKE_SHEET),
        across=across_table(judged.judgement),
        advice=[
            Advice(told(one.title), told(one.finding), told(one.advice)) for one in advice_of(run, judged.judgement)
        ],
        sheets=[
            (heading, told(says), _as_jpeg(picture, heading, way_out=_REMAKE_CROPS))
            for heading, (says, picture) in judged.sheets.items()
        ],
        rounds=round_table(run),
        data_rows=data_rows(run),
        phases=phase_table(run),
        settings=[(name, setting_text(value) or "-") for name, value in leaves(run.settings)],
    )


def page_of(template: str, **content: object) -> str:
    """Return a page made from a template beside this module; every text in it is escaped."""
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        finalize=_as_shown,
        loader=jinja2.FunctionLoader(lambda name: resources.files("iics.reports").joinpath(name).read_text("utf-8")),
    )
    return environment.get_template(template).render(**content)


def embedded(figures: Sequence[ReportFigure], *, told: Callable[[str], str] = str) -> dict[str, list[dict[str, str]]]:
    """Return what the template shows of each figure, by the heading it stands under.

    Args:
        figures: Drawn.
        told: What becomes of the texts in and below them.
    """
    sections: dict[str, list[dict[str, str]]] = {}
    for drawn in figures:
        _retell(drawn, told)
        uri = data_uri(figure_bytes(drawn.figure, "svg"), "image/svg+xml")
        sections.setdefault(drawn.section, []).append(
            {"uri": uri, "alt": told(drawn.title), "caption": told(drawn.caption)}
        )
    return sections


def _as_shown(value: object) -> object:
    """Return text of data with what would break or turn a line escaped; what the page is made of stays."""
    return shown(value) if type(value) is str else value  # markup that is safe already is a kind of str of its own


def _as_jpeg(picture: bytes | None, name: str, *, way_out: str) -> str | None:
    """Return a picture of people as JPEG, which takes a tenth of a PNG's bytes, as data for the page.

    Raises:
        RunFolderError: If it cannot be decoded.
    """
    if picture is None:
        return None
    from PIL import Image

    content = io.BytesIO()
    try:
        with Image.open(io.BytesIO(picture)) as image:
            image.convert("RGB").save(content, format="JPEG", quality=_PICTURE_QUALITY)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # of damaged files
        raise RunFolderError(f"{name} of the run is no whole picture ({error}). {way_out}") from error
    return data_uri(content.getvalue(), "image/jpeg")


def _retell(drawn: ReportFigure, told: Callable[[str], str]) -> None:
    """Change the texts in a figure that speak of people."""
    for text in drawn.figure.findobj(lambda artist: hasattr(artist, "set_text")):
        if told(text.get_text()) != text.get_text():
            text.set_text(told(text.get_text()))
