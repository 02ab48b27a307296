"""report.html: a run on one page. A `ToldRun` in, text out that needs neither network nor scripts.

Pictures are embedded as data. The template escapes every text, because names of files and cameras may be anything.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import compress
from pathlib import Path
from typing import Any

import jinja2

from iics.atomic import write_atomically
from iics.errors import RunFolderError
from iics.reports.advice import advice_of
from iics.reports.camera_pairs_file import CameraPairMatrices
from iics.reports.judgement_file import CLUSTER_SHEET, JUDGEMENT, MATCH_SHEET, NUMBERS, Judgement
from iics.reports.picture import ReportFigure
from iics.reports.pictures import run_figures
from iics.reports.plot_style import data_uri, figure_bytes, save_figure
from iics.reports.told_run import NumberOf, ToldRun, score_of, setting_text
from iics.reports.warnings import nothing_found, run_warnings
from iics.runs.record import stage_title
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
    MATCH_SHEET: (
        "Matches across cameras",
        "Blue: a crop. Then the three most similar crops of other cameras with their similarity, by the trained model "
        "and, after the gap, by the model before training. The middling rows are what to expect of a search.",
    ),
}


@dataclass(frozen=True)
class Table:
    """A table of text."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


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
    figures = run_figures(ToldRun.read(folder), CameraPairMatrices.read(folder))
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
    judged = judged or JudgedCrops()
    kind = "supervised training on identities" if run.is_supervised else "training without identities"
    return page_of(
        _TEMPLATE,
        kind="IICS run",
        name=run.name,
        data=run.data_name,
        progress=f"{kind}, {run.progress}",
        tiles=list(_tiles(run)),
        warnings=run_warnings(run),
        nothing_found=nothing_found(run),
        has_clusters=bool(run.clusterings),
        is_one_camera=run.num_cameras == 1,
        training_similarity=run.training_similarity,
        has_rounds=bool(run.trained),
        sections=embedded(run_figures(run, camera_pairs)),
        ranked_lists=_as_jpeg(ranked_lists, "contact_sheet.png", way_out=_REMAKE_SHEET),
        across=_across_table(judged.judgement),
        advice=list(advice_of(run, judged.judgement)),
        sheets=[
            (heading, says, _as_jpeg(picture, heading, way_out=_REMAKE_CROPS))
            for heading, (says, picture) in judged.sheets.items()
        ],
        rounds=_round_table(run),
        data_rows=_data_rows(run),
        phases=_phase_table(run),
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


def _across_table(judgement: Judgement | None) -> Table | None:
    """Return matches across cameras before and after training; None if they were not judged."""
    if judgement is None:
        return None
    rows: list[tuple[str, ...]] = []
    for name, (title, digits, factor) in NUMBERS.items():
        moments = judgement.before, judgement.after
        rows.append((title, *("-" if one is None else f"{factor * getattr(one, name):.{digits}f}" for one in moments)))
    rows.append(("crops looked at", "", f"{judgement.after.num_crops:,}"))
    return Table(("", "before training", f"after round {judgement.round_number}"), tuple(rows))


def embedded(figures: Sequence[ReportFigure]) -> dict[str, list[dict[str, str]]]:
    """Return what the template shows of each figure, by the heading it stands under."""
    sections: dict[str, list[dict[str, str]]] = {}
    for drawn in figures:
        uri = data_uri(figure_bytes(drawn.figure, "svg"), "image/svg+xml")
        sections.setdefault(drawn.section, []).append({"uri": uri, "alt": drawn.title, "caption": drawn.caption})
    return sections


def _tiles(run: ToldRun) -> Iterator[tuple[str, str]]:
    """Yield the few numbers that are asked for first: name and value."""
    for key, name in (("mean_ap", "mAP"), ("rank1", "rank-1")):
        measured = [record for record in run.records if key in record.scores]
        if measured:
            first, last = (_percent(record.scores[key]) for record in (measured[0], measured[-1]))
            yield name, f"{first} → {last} %" if measured[0].number == 0 and len(measured) > 1 else f"{last} %"
    scores = run.records[-1].scores if run.records else {}
    for allowed in (1, 5, 10):  # the smallest that there are queries enough for
        if (missed := scores.get(f"open_set_missed_at_{allowed}")) is not None:
            yield f"missed, at most {allowed} % false claims", f"{_percent(missed)} %"
            break
    for one in run.over_all_cameras:
        if (clusters := one.number("num_clusters")(run.records[-1])) is not None:
            yield f"clusters{one.suffix}", f"{clusters}"
    if (people := run.estimated_people) is not None:
        yield "people, a guess without labels", f"about {people}"
    if (num_crops := run.data.get("num_crops")) is not None:
        yield "crops trained on", f"{num_crops}"
    if run.crops_per_camera:
        yield "cameras", f"{len(run.crops_per_camera)}"
    if run.seconds:
        yield "training time", duration(run.seconds)


def _round_table(run: ToldRun) -> Table:
    """Return the main numbers of each round; rounds and columns without a number are left out."""
    is_one = len(run.stages) == 1
    scores = {"mean_ap": "mAP", "rank1": "rank-1", "rank5": "rank-5", "rank10": "rank-10"}
    scores |= {
        f"{kind}_{key}": f"{scores[key]}, {kind}" for kind in ("centred", "plain") for key in ("mean_ap", "rank1")
    }
    columns: list[tuple[str, NumberOf, Callable[[float | None], str]]] = [
        *((f"{name} %", score_of(key), _percent) for key, name in scores.items()),
        *(
            ("loss" if is_one and title == stage else f"loss, {title}", number_of, _number)
            for stage in run.stages
            for title, number_of in [run.loss_of(stage)]
        ),
    ]
    for one in run.over_all_cameras:
        columns += [
            (f"clusters{one.suffix}", one.number("num_clusters"), _text),
            (f"of one crop{one.suffix}", one.number("num_singletons"), _text),
            (f"largest %{one.suffix}", one.number("largest_share"), _percent),
            (f"labelled %{one.suffix}", one.number("labelled_share"), _percent),
            (f"camera mix %{one.suffix}", one.number("camera_entropy_normalized"), _percent),
            (f"stability{one.suffix}", one.stability, _number),
        ]
    columns += [
        (f"ARI, {stage_title(one.stage)}", one.number("adjusted_rand_index"), _number) for one in run.clusterings
    ]
    rows = {record.number: [shown(number_of(record)) for _, number_of, shown in columns] for record in run.records}
    has_number = [any(column) for column in zip(*rows.values(), strict=True)]
    kept = tuple((str(number), *compress(cells, has_number)) for number, cells in rows.items() if any(cells))
    return Table(("round", *compress([heading for heading, _, _ in columns], has_number)), kept)


def _phase_table(run: ToldRun) -> Table:
    """Return seconds and speed of each phase, in all rounds together and in the last."""
    total: dict[str, float] = {}
    for record in run.trained:
        for phase, values in record.phases.items():
            total[phase] = total.get(phase, 0.0) + (values.get("seconds") or 0.0)
    last = run.trained[-1].phases if run.trained else {}
    rows = tuple(
        (_phase_name(phase, run.stages), duration(seconds), _number(last.get(phase, {}).get("images_per_second")))
        for phase, seconds in total.items()
    )
    return Table(("phase", "all rounds", "crops per second, last round"), rows)


def _phase_name(phase: str, stages: Sequence[str]) -> str:
    """Return a phase for people: "stage 1: features" for stage1_features; names of stages may hold the same mark."""
    # The longest: with stages a and a_b, the phase a_b_train is of a_b.
    stage = max((stage for stage in stages if phase.startswith(f"{stage}_")), key=len, default=phase)
    return stage_title(stage) + phase.removeprefix(stage).replace("_", ": ", 1)


def _data_rows(run: ToldRun) -> list[tuple[str, str]]:
    rows = [(name, str(value)) for name, value in run.data.items() if not isinstance(value, Mapping) and value != ""]
    return rows + [(f"camera {name}", f"{count} crops") for name, count in (run.crops_per_camera or {}).items()]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def duration(seconds: float) -> str:
    """Return how long something took, as the tables of a report have it."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"
