"""Every case that is recorded: a name and a function from `Commands` to plain JSON.

Commands and files only: nothing of iics is imported, so that everything inside it may move.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from typing import Any

from tests.golden.commands import Commands
from tests.golden.facts import (
    json_facts,
    model_facts,
    npz_facts,
    onnx_facts,
    picture_hash,
    report_facts,
    run_facts,
    text_lines,
)
from tests.golden.training_cases import ONE_THREAD, RUNS, small, words

Case = Callable[[Commands], Any]

_DATA = ["market-layout", "--data-dir", "data"]
_TRACKS = ["csv", "--data-dir", "tracks.csv"]
_TOGETHER = ["csv", "--data-dir", "together.csv"]
_CAMERAS = ["folder", "--data-dir", "cameras"]
_MODEL = "two-rounds"
_SPEEDS = re.compile(r"(│[^│]*){2}│$")


def _trained(commands: Commands, out: str, printed: str) -> dict[str, Any]:
    return {**run_facts(commands.work / out, commands.work), "printed": text_lines(printed, commands.work)}


def _train(commands: Commands, out: str, data: list[str], flags: list[str]) -> str:
    """Train into a new folder, in the place of one that an interrupted recording left, and return what was printed."""
    shutil.rmtree(commands.work / out, ignore_errors=True)
    return commands.run("train", *data, "--out", out, *flags)


def _small_run(name: str) -> Case:
    return lambda commands: _trained(commands, name, _train(commands, name, _DATA, small(name)))


def _two_processes(name: str) -> Case:
    def case(commands: Commands) -> Any:
        out = f"{name}-in-two"
        shutil.rmtree(commands.work / out, ignore_errors=True)
        return _trained(commands, out, commands.run_in_two("train", *_DATA, "--out", out, *small(name)))

    return case


def _resumed(name: str) -> Case:
    def case(commands: Commands) -> Any:
        out = f"{name}-resumed"
        shutil.rmtree(commands.work / out, ignore_errors=True)
        commands.kill_after_first_checkpoint(out, "train", *_DATA, "--out", out, *small(name))
        return _trained(commands, out, commands.run("train", "--resume", out))

    return case


def _without_identities(commands: Commands) -> Any:
    out = "without-identities"
    return _trained(commands, out, _train(commands, out, _TRACKS, small("reranked")))


def _whole_sample(commands: Commands) -> Any:
    flags = words({**ONE_THREAD, "rounds": "1"})
    return _trained(commands, "sample", _train(commands, "sample", ["sample"], flags))


def model_to_measure(commands: Commands) -> str:
    """Return the run folder whose model is measured; train it if it is not there."""
    printed = commands.work / f"{_MODEL}.printed"
    with commands.model:
        if not printed.exists():
            printed.write_text(_train(commands, _MODEL, _DATA, small(_MODEL)))
    return _MODEL


def _measured_run(commands: Commands) -> Any:
    model = model_to_measure(commands)
    return _trained(commands, model, (commands.work / f"{model}.printed").read_text())


def _evaluated(*arguments: str, model: bool = True) -> Case:
    def case(commands: Commands) -> Any:
        models = [model_to_measure(commands)] if model else []
        return json_facts(commands.run("evaluate", *models, *arguments, "--json"), commands.work)

    return case


def _evaluation_in_words(commands: Commands) -> Any:
    sheet = ["--contact-sheet", "matches.png"]
    printed = commands.run("evaluate", model_to_measure(commands), *_DATA, *sheet)
    return {"printed": text_lines(printed, commands.work), "sheet": picture_hash(commands.work / "matches.png")}


def _calibrated(*data: str) -> Case:
    def case(commands: Commands) -> Any:
        model = commands.work / f"calibrated-{data[0]}.safetensors"
        shutil.copy(commands.work / model_to_measure(commands) / "model.safetensors", model)
        printed = commands.run("evaluate", model.name, *data, "--calibrate", "--json")
        return {"printed": json_facts(printed, commands.work), "model": model_facts(model, commands.work)}

    return case


def _checked(*data: str) -> Case:
    return lambda commands: {
        "json": json_facts(commands.run("check-data", *data, "--json"), commands.work),
        "printed": text_lines(commands.run("check-data", *data), commands.work),
    }


def _exported(name: str, *arguments: str, num_files: int = 1) -> Case:
    def case(commands: Commands) -> Any:
        printed = commands.run("export", model_to_measure(commands), *arguments, "--out", f"{name}.onnx")
        lines = [_SPEEDS.sub("", line) for line in text_lines(printed, commands.work)]
        files = sorted(commands.work.glob(f"{name}.*onnx"))
        if len(files) != num_files:
            raise ValueError(f"{name}: {num_files} files were expected, found {[file.name for file in files]}.")
        return {"printed": lines, **{file.name: onnx_facts(file) for file in files}}

    return case


def numbered_tracklets(found: dict[str, Any]) -> dict[str, Any]:
    """Return search results with tracklets numbered as they come: a gallery's own numbers follow absolute paths."""
    numbers: dict[int, int] = {}
    for match in found["matches"]:
        if match["tracklet"] is not None:
            match["tracklet"] = numbers.setdefault(match["tracklet"], len(numbers))
    return found


def _searched(commands: Commands) -> Any:
    model, query = model_to_measure(commands), sorted((commands.work / "data" / "query").iterdir())[0]
    shutil.rmtree(commands.work / "gallery.db", ignore_errors=True)
    indexed = commands.run("index", "gallery.db", *_DATA[:1], "--model", model, *_DATA[1:])
    indexed += commands.run("index", "gallery.db", "tracks.csv", "--model", model)
    found = {
        "top": ["--top", "5"],
        "reranked": ["--top", "5", "--rerank"],
        "tracklets": ["--top", "5", "--group-by", "tracklet"],
        "cameras": ["--top", "5", "--camera", "c1", "c2"],
    }
    return {
        "indexed": text_lines(indexed, commands.work),
        **{
            name: numbered_tracklets(
                json_facts(commands.run("search", "gallery.db", str(query), *flags, "--json"), commands.work)
            )
            for name, flags in found.items()
        },
    }


def _embedded(commands: Commands) -> Any:
    commands.run("embed", model_to_measure(commands), "data/query", "--out", "features.npz")
    return npz_facts(commands.work / "features.npz", commands.work)


def _reported(commands: Commands) -> Any:
    model, folder = model_to_measure(commands), commands.work / "figures"
    commands.run("report", model, "--out", "report.html", "--figures", "figures")
    names = sorted(file.name for file in folder.iterdir())
    pictures = {name: picture_hash(folder / name) for name in names if name.endswith(".png")}
    return {**report_facts(commands.work / "report.html"), "files": names, "pixels": pictures}


def _planned(commands: Commands) -> Any:
    printed = commands.run("reproduce", "all", *("--data", "market-layout", "--data-dir", "data"), "--dry-run")
    return text_lines(printed, commands.work)


CASES: dict[str, Case] = {
    **{name: _small_run(name) for name in RUNS},
    _MODEL: _measured_run,
    "full-in-two": _two_processes("full"),
    "supervised-in-two": _two_processes("supervised"),
    "two-rounds-resumed": _resumed("two-rounds"),
    "supervised-resumed": _resumed("supervised"),
    "without-identities": _without_identities,
    "evaluate-market1501": _evaluated(*_DATA),
    "evaluate-words": _evaluation_in_words,
    "evaluate-rerank": _evaluated(*_DATA, "--rerank"),
    "evaluate-rerank-published": _evaluated(*_DATA, "--rerank", "--rerank-form", "published"),
    "evaluate-same-camera": _evaluated(*_DATA, "--protocol", "same-camera"),
    "evaluate-single-shot": _evaluated(*_DATA, "--protocol", "single-gallery-shot", "--repeats", "3", "--seed", "1"),
    "evaluate-camera-pairs": _evaluated(*_DATA, "--protocol", "camera-pairs"),
    "evaluate-cameras": _evaluated(*_CAMERAS),
    "evaluate-tracks": _evaluated(*_TRACKS),
    "evaluate-imagenet": _evaluated(
        *_DATA,
        *("--weights", "imagenet", "--backbone", "efficientnet_lite0", "--height", "64", "--width", "32"),
        model=False,
    ),
    "calibrate": _calibrated(*_DATA),
    "evaluate-together": _evaluated(*_TOGETHER),
    "calibrate-together": _calibrated(*_TOGETHER),
    "check-data": _checked(*_DATA),
    "check-cameras": _checked(*_CAMERAS),
    "check-tracks": _checked(*_TRACKS),
    "export": _exported("plain"),
    "export-boxmot": _exported("boxmot", "--for", "boxmot", "--no-mirror"),
    "export-int8": _exported("eight", *_DATA, "--int8", num_files=2),
    "search": _searched,
    "embed": _embedded,
    "report": _reported,
    "reproduce-plan": _planned,
    "sample": _whole_sample,  # the longest: make demo
}
