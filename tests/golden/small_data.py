"""A small part of the sample that ships, the same crops every time: 30 people to train on, 15 others to test on.

It is laid out below a work folder: `data` (like Market-1501, with query and gallery), `cameras` (a folder a camera, no
identities), `tracks.csv` (a table of the training crops with camera, time and tracklet, no identities) and
`together.csv` (the same, but all tracklets of a camera at one time: two of them in a picture are two people).
"""

from __future__ import annotations

import csv
import subprocess
import zipfile
from collections import Counter
from pathlib import Path

_FIND_SAMPLE = "import iics, pathlib; print(next(pathlib.Path(iics.__file__).parent.rglob('people-dev.zip')))"
_TRAIN, _QUERY, _GALLERY = "bounding_box_train", "query", "bounding_box_test"
_NUM_TRAINED, _NUM_TESTED = 30, 15
_NOBODY = ["-1", "0000"]  # junk and distractors in Market-1501's names


def make_small_data(work: Path, python: Path) -> None:
    """Write the small data sets into a folder.

    Args:
        work: Where to.
        python: Interpreter that has iics installed; the sample is looked for in its package, wherever it lies there.
    """
    found = subprocess.run([python, "-c", _FIND_SAMPLE], check=True, capture_output=True, text=True)
    with zipfile.ZipFile(found.stdout.strip()) as archive:
        trained, tested = _people(archive, _TRAIN)[:_NUM_TRAINED], _people(archive, _QUERY)[:_NUM_TESTED]
        parts = [(_TRAIN, trained, 2), (_QUERY, tested, 1), (_GALLERY, tested, 2), (_GALLERY, _NOBODY, 2)]
        for part, people, most in parts:
            for name in _first_of_each(archive, part, people, most=most):
                _write(work / "data" / part / Path(name).name, archive.read(name))
    crops = sorted((work / "data" / _TRAIN).iterdir())
    for crop in crops:
        _write(work / "cameras" / _camera(crop.name) / crop.name, crop.read_bytes())
    tracks, together = [], []
    for crop in crops:
        person, sequence, frame, _ = crop.name.split("_")
        place, tracklet = [f"data/{_TRAIN}/{crop.name}", _camera(crop.name)], f"{sequence}-{person}"
        number = sum(row[-1] == tracklet for row in tracks)
        tracks.append([*place, str(int(frame) // 25), tracklet])
        together.append([*place, str(number), tracklet])
    for name, rows in (("tracks.csv", tracks), ("together.csv", together)):
        with (work / name).open("w", newline="") as file:
            csv.writer(file).writerows([["path", "camera", "time", "tracklet"], *rows])


def _names(archive: zipfile.ZipFile, part: str) -> list[str]:
    return sorted(name for name in archive.namelist() if f"/{part}/" in name and name.endswith(".jpg"))


def _people(archive: zipfile.ZipFile, part: str) -> list[str]:
    return sorted({_person(Path(name).name) for name in _names(archive, part)})


def _first_of_each(archive: zipfile.ZipFile, part: str, people: list[str], *, most: int) -> list[str]:
    """Return the first crops, at most so many, of each of these people in each camera."""
    taken: Counter[tuple[str, str]] = Counter()
    chosen = []
    for name in _names(archive, part):
        key = (_person(Path(name).name), _camera(Path(name).name))
        if key[0] in people and taken[key] < most:
            taken[key] += 1
            chosen.append(name)
    return chosen


def _person(name: str) -> str:
    return name.split("_")[0]


def _camera(name: str) -> str:
    return name.split("_")[1][:2]


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
