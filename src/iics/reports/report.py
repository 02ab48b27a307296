"""report.html: a run on one page. A `ReportedRun` in, text out that needs neither network nor scripts.

Pictures lie in the page as data; every text is escaped by the template, for names of files and cameras may be anything.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import compress
from pathlib import Path
from typing import Any

import jinja2

from iics.atomic import write_atomically
from iics.errors import RunFolderError
from iics.reports.picture import ReportFigure
from iics.reports.pictures import run_figures
from iics.reports.plot_style import data_uri, figure_bytes, save_figure
from iics.reports.reported_run import REMAKE_SHEET, Record, ReportedRun, at, number, over_cameras
from iics.reports.warnings import run_warnings
from iics.shown_name import shown

REPORT = "report.html"
_TEMPLATE = "report_template.html"
_PICTURE_QUALITY = 88


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        headings: Of its columns.
        rows: Cells, as many as headings.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


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
    page = report_html(ReportedRun.read(folder))
    write_atomically(path, page.encode(errors="replace"))  # bytes of names that are no UTF-8 become question marks
    return path


def write_run_figures(folder: Path, out: Path) -> list[Path]:
    """Write every picture of a run's report as SVG, PDF and PNG, named after its title; return the files.

    Args:
        folder: The run folder.
        out: Folder for the pictures; made if it is not there.

    Raises:
        RunFolderError: If it is no run folder, or something in it cannot be read.
        WriteError: If a picture cannot be written.
    """
    figures = run_figures(ReportedRun.read(folder))
    return [file for drawn in figures for file in save_figure(drawn.figure, out / drawn.file_name)]


def report_html(run: ReportedRun) -> str:
    """Return the page of a run."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, finalize=_as_shown
    )
    source = resources.files("iics.reports").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(source).render(
        name=run.name,
        data=run.data.get("name", "unknown data"),
        progress=_progress(run),
        tiles=list(_tiles(run)),
        warnings=run_warnings(run),
        has_rounds=bool(run.trained),
        sections=_sections(run_figures(run)),
        ranked_lists=_ranked_lists(run.ranked_lists),
        rounds=_round_table(run),
        data_rows=_data_rows(run),
        phases=_phase_table(run),
        settings=list(_leaves(run.settings)),
    )


def _as_shown(value: object) -> object:
    """Return text of data with what would break or turn a line escaped; what the page is made of stays."""
    return shown(value) if type(value) is str else value  # markup that is safe already is a kind of str of its own


def _ranked_lists(picture: bytes | None) -> str | None:
    """Return the picture of ranked lists as JPEG, which takes a tenth of a PNG's bytes for pictures of people.

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
        raise RunFolderError(f"contact_sheet.png of the run is no whole picture ({error}). {REMAKE_SHEET}") from error
    return data_uri(content.getvalue(), "image/jpeg")


def _sections(figures: Sequence[ReportFigure]) -> dict[str, list[dict[str, str]]]:
    """Return what the template shows of each figure, by the heading it stands under."""
    sections: dict[str, list[dict[str, str]]] = {}
    for drawn in figures:
        uri = data_uri(figure_bytes(drawn.figure, "svg"), "image/svg+xml")
        sections.setdefault(drawn.section, []).append({"uri": uri, "alt": drawn.title, "caption": drawn.caption})
    return sections


def _progress(run: ReportedRun) -> str:
    done, planned = (run.trained[-1]["round"] if run.trained else 0), run.settings.get("rounds", "?")
    kind = "supervised training on identities" if run.is_supervised else "training without identities"
    return f"{kind}, round {done} of {planned}" + ("" if done == planned else " (not finished)")


def _tiles(run: ReportedRun) -> Iterator[tuple[str, str]]:
    """Yield the few numbers that are asked for first: name and value."""
    for key, name in (("mean_ap", "mAP"), ("rank1", "rank-1")):
        measured = [record for record in run.records if number(record, "evaluation", key) is not None]
        if measured:
            first, last = (_percent(number(record, "evaluation", key)) for record in (measured[0], measured[-1]))
            yield name, f"{first} → {last} %" if measured[0]["round"] == 0 and len(measured) > 1 else f"{last} %"
    if run.trained and (clusters := at(run.trained[-1], "stage2", "pseudo_labels", "num_clusters")) is not None:
        yield "clusters", f"{clusters}"
    if (num_crops := run.data.get("num_crops")) is not None:
        yield "crops trained on", f"{num_crops}"
    if run.crops_per_camera:
        yield "cameras", f"{len(run.crops_per_camera)}"
    seconds = sum(sum((record.get("seconds") or {}).values()) for record in run.trained)
    if seconds:
        yield "training time", _duration(seconds)


def _round_table(run: ReportedRun) -> Table:
    """Return the main numbers of each round; rounds and columns without a number are left out."""
    columns: dict[str, Callable[[Record], str]] = {
        "mAP %": lambda r: _percent(number(r, "evaluation", "mean_ap")),
        "rank-1 %": lambda r: _percent(number(r, "evaluation", "rank1")),
        "rank-5 %": lambda r: _percent(number(r, "evaluation", "rank5")),
        "rank-10 %": lambda r: _percent(number(r, "evaluation", "rank10")),
        "loss, stage 1": lambda r: _number(at(r, "stage1", "loss")),
        "loss, stage 2": lambda r: _number(at(r, "stage2", "loss")),
        "loss": lambda r: _number(at(r, "supervised", "loss")),
        "clusters": lambda r: _text(at(r, "stage2", "pseudo_labels", "num_clusters")),
        "single crops": lambda r: _text(at(r, "stage2", "pseudo_labels", "num_singletons")),
        "largest %": lambda r: _percent(at(r, "stage2", "pseudo_labels", "largest_share")),
        "camera mix %": lambda r: _percent(at(r, "stage2", "pseudo_labels", "camera_entropy_normalized")),
        "stability": lambda r: _number(at(r, "stage2", "stability", "adjusted_rand_index")),
        "ARI, stage 1": lambda r: _number(over_cameras(r, "adjusted_rand_index")),
        "ARI, stage 2": lambda r: _number(at(r, "stage2", "pseudo_labels", "adjusted_rand_index")),
    }
    rows = {str(record["round"]): [cell(record) for cell in columns.values()] for record in run.records}
    has_number = [any(column) for column in zip(*rows.values(), strict=True)]
    kept = tuple((number, *compress(cells, has_number)) for number, cells in rows.items() if any(cells))
    return Table(("round", *compress(columns, has_number)), kept)


def _phase_table(run: ReportedRun) -> Table:
    """Return seconds and speed of each phase, in all rounds together and in the last."""
    total: dict[str, float] = {}
    for record in run.trained:
        for phase, values in (record.get("phases") or {}).items():
            total[phase] = total.get(phase, 0.0) + values.get("seconds", 0.0)
    last = (run.trained[-1].get("phases") or {}) if run.trained else {}
    rows = tuple(
        (
            phase.replace("_", ": ", 1).replace("stage", "stage "),
            _duration(seconds),
            _number(last.get(phase, {}).get("images_per_second")),
        )
        for phase, seconds in total.items()
    )
    return Table(("phase", "all rounds", "crops per second, last round"), rows)


def _data_rows(run: ReportedRun) -> list[tuple[str, str]]:
    rows = [(name, str(value)) for name, value in run.data.items() if not isinstance(value, Mapping) and value != ""]
    return rows + [(f"camera {name}", f"{count} crops") for name, count in (run.crops_per_camera or {}).items()]


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"{prefix}{name}", text or "-"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _duration(seconds: float) -> str:
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"
