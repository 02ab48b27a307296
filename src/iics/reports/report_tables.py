"""The tables and first numbers of a run's report, as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from iics.reports.judgement_file import NUMBERS, Judgement
from iics.reports.told_run import NumberOf, ToldRun, score_of
from iics.runs.record import stage_title


@dataclass(frozen=True)
class Table:
    """A table of text."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def across_table(judgement: Judgement | None) -> Table | None:
    """Return matches across cameras before and after training; None if they were not judged."""
    if judgement is None:
        return None
    rows: list[tuple[str, ...]] = []
    for name, (title, digits, factor) in NUMBERS.items():
        moments = judgement.before, judgement.after
        rows.append((title, *("-" if one is None else f"{factor * getattr(one, name):.{digits}f}" for one in moments)))
    rows.append(("crops looked at", "", f"{judgement.after.num_crops:,}"))
    return Table(("", "before training", f"after round {judgement.round_number}"), tuple(rows))


def tiles(run: ToldRun) -> Iterator[tuple[str, str]]:
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


def round_table(run: ToldRun) -> Table:
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


def phase_table(run: ToldRun) -> Table:
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


def data_rows(run: ToldRun) -> list[tuple[str, str]]:
    """Return what a run was trained on, by name."""
    rows = [(name, str(value)) for name, value in run.data.items() if not isinstance(value, Mapping) and value != ""]
    return rows + [(f"camera {name}", f"{count} crops") for name, count in (run.crops_per_camera or {}).items()]


def duration(seconds: float) -> str:
    """Return how long something took, as the tables of a report have it."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _phase_name(phase: str, stages: Sequence[str]) -> str:
    """Return a phase for people: "stage 1: features" for stage1_features; names of stages may hold the same mark."""
    # The longest: with stages a and a_b, the phase a_b_train is of a_b.
    stage = max((stage for stage in stages if phase.startswith(f"{stage}_")), key=len, default=phase)
    return stage_title(stage) + phase.removeprefix(stage).replace("_", ": ", 1)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _text(value: Any) -> str:
    return "" if value is None else str(value)
