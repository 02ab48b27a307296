"""What files and outputs say, as plain JSON, without what differs from run to run: times, speeds, dates, places.

Left out: the keys of `DROPPED_KEYS` at any depth; in texts, lines that hold one of `_DROPPED_LINES`; the work folder's
path becomes WORK; dates, durations and sizes in megabytes become DATE, DURATION and SIZE.
"""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from PIL import Image
from safetensors import safe_open

DROPPED_KEYS = frozenset({"seconds", "phases", "images_per_second", "versions", "crop_id", "started", "run"})
"""Times and speeds of metrics.jsonl; a model's library versions; a gallery's ids, which depend on absolute paths."""

_DROPPED_LINES = ("crops/s", "Trained for", "trained for", "Medians, in turn", "training time")
_DATE = re.compile(r"\b20\d\d-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|\+00:00)?")
_DURATION = re.compile(r"\b\d+(?:\.\d+)?(?: h| min| s)\b(?: \d+ (?:min|s)\b)?")
_SIZE = re.compile(r"\b\d+(?:\.\d+)? (?:MB|GB|KB|kB)\b")
_TAG = re.compile(r"<[^>]+>")


def text_lines(text: str, work: Path) -> list[str]:
    """Return the lines of a text, normalised."""
    lines = text.replace(str(work), "WORK").splitlines()
    kept = [line for line in lines if not any(words in line for words in _DROPPED_LINES)]
    return [_SIZE.sub("SIZE", _DURATION.sub("DURATION", _DATE.sub("DATE", line))).rstrip() for line in kept]


def without_dropped(value: Any, work: Path) -> Any:
    """Return a value of JSON without `DROPPED_KEYS` and with normalised texts."""
    if isinstance(value, dict):
        return {key: without_dropped(inner, work) for key, inner in value.items() if key not in DROPPED_KEYS}
    if isinstance(value, list):
        return [without_dropped(inner, work) for inner in value]
    return value.replace(str(work), "WORK") if isinstance(value, str) else value


def json_facts(text: str, work: Path) -> Any:
    """Return what a text of JSON says."""
    return without_dropped(json.loads(text), work)


def json_line_facts(file: Path, work: Path) -> list[Any]:
    """Return what each line of a file says."""
    return [json_facts(line, work) for line in file.read_text().splitlines()]


def arrays_hash(arrays: dict[str, np.ndarray[Any, Any]]) -> str:
    """Return one SHA-256 of arrays: names in order, each with type, shape and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def model_facts(file: Path, work: Path) -> dict[str, Any]:
    """Return a hash of a model file's weights and what its header says of them."""
    with safe_open(file, "numpy") as opened:
        arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no dictionary
        header = json.loads((opened.metadata() or {}).get("iics", "{}"))
    return {
        "num_tensors": len(arrays),
        "weights": arrays_hash(arrays),
        "header": without_dropped(header, work),
    }


def table_facts(file: Path, work: Path) -> dict[str, str]:
    """Return a hash of each column of a table in CSV."""
    rows = list(csv.reader(io.StringIO(file.read_text().replace(str(work), "WORK"))))
    columns = zip(*rows, strict=True)
    return {column[0]: hashlib.sha256("\n".join(column[1:]).encode()).hexdigest() for column in columns}


def picture_hash(file: Path) -> str:
    """Return a hash of a picture's pixels."""
    with Image.open(file) as picture:
        return arrays_hash({"pixels": np.asarray(picture.convert("RGB"))})


def npz_facts(file: Path, work: Path) -> dict[str, str]:
    """Return a hash of each array in a file; of texts, of what they say."""
    with np.load(file) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    return {
        name: arrays_hash({name: np.char.replace(array, str(work), "WORK") if array.dtype.kind == "U" else array})
        for name, array in found.items()
    }


def onnx_facts(file: Path) -> dict[str, Any]:
    """Return a hash of an ONNX file's constants, its operators in order, and its inputs and outputs."""
    graph = onnx.load(str(file)).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = [[node.op_type, list(node.input), list(node.output), _attributes(node)] for node in graph.node]
    return {
        "constants": arrays_hash(constants),
        "num_constants": len(constants),
        "graph": hashlib.sha256(json.dumps(nodes).encode()).hexdigest(),
        "operators": " ".join(node.op_type for node in graph.node),
        "inputs": [value.name for value in graph.input],
        "outputs": [value.name for value in graph.output],
    }


def _attributes(node: onnx.NodeProto) -> list[str]:
    return sorted(
        hashlib.sha256(attribute.SerializeToString(deterministic=True)).hexdigest() for attribute in node.attribute
    )


def report_facts(file: Path) -> dict[str, Any]:
    """Return a report's headings, captions of its pictures and the cells of its numbers by round."""
    page = file.read_text()
    start = page.find("<h2>Numbers by round</h2>")
    table = page[start : page.find("</table>", start)] if start >= 0 else ""
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)]
    return {
        "headings": [_TAG.sub("", heading) for heading in re.findall(r"<h\d[^>]*>(.*?)</h\d>", page)],
        "pictures": [html.unescape(words) for words in re.findall(r'<img[^>]* alt="([^"]*)"', page)],
        "numbers_by_round": [" | ".join(row) for row in rows],
    }


def run_facts(folder: Path, work: Path) -> dict[str, Any]:
    """Return what a run folder says: numbers, clusters, weights, settings, card, report, ranked results."""
    facts: dict[str, Any] = {
        "metrics": json_line_facts(folder / "metrics.jsonl", work),
        "model": model_facts(folder / "model.safetensors", work),
        "settings": json_facts((folder / "settings.json").read_text(), work),
        "data": json_facts((folder / "data.json").read_text(), work),
        "crops": table_facts(folder / "crops.csv", work),
        "pseudo_labels": {file.name: table_facts(file, work) for file in sorted(folder.glob("pseudo_labels/*"))},
        "card": text_lines((folder / "model.md").read_text(), work),
        "report": report_facts(folder / "report.html"),
    }
    if (folder / "camera_pairs.json").exists():
        facts["camera_pairs"] = json_facts((folder / "camera_pairs.json").read_text(), work)
    if (folder / "contact_sheet.png").exists():
        facts["contact_sheet"] = picture_hash(folder / "contact_sheet.png")
    return facts
