"""The folder that crops of videos are written into, and the one table that lists them.

OUT/crops.csv                      all crops: path, camera, time, tracklet, video, frame, box in the frame, confidence
OUT/crops-report.json              what was kept and dropped of each video
OUT/CAMERA/VIDEO/                  the crops of a finished video, its own table and report; VIDEO = file name - contents
OUT/CAMERA/.VIDEO/                 a video at work, renamed when it is finished

Both files of OUT are made from the folders of finished videos. So if a folder is removed, it is gone from them after
the next video. Our readers ignore names that begin with a dot, and the folders of a NAS.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from iics.atomic import write_atomically
from iics.errors import VideoError, WriteError
from iics.natural_order import natural_order
from iics.pixels.cache_folder import locked
from iics.readers.left_out import is_ignored
from iics.video.crop_table import COLUMNS, read_table, table_hash, table_text
from iics.video.selection import ChosenCrop
from iics.video.video_report import VideoReport

TABLE, REPORTS = "crops.csv", "crops-report.json"
JOURNAL = "detections.jsonl"
_REPORT = "report.json"
_SECONDS_BETWEEN = 10  # videos of a camera whose start is not known: no tracklet goes on across them
_DIGITS = 12  # of the fingerprint, in the name of a video's folder
_STEM = 50  # characters of the file's name there; names may have 255 bytes, and a character four


class CropFolder:
    """A folder of crops, new or from videos before.

    Args:
        root: The folder; made if it is not there.

    Raises:
        VideoError: If it holds something else.
        WriteError: If it cannot be made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        if root.exists() and not root.is_dir():
            raise VideoError(f"Crops are written into a folder; {root} is a file.")
        try:
            if root.is_dir() and not (root / REPORTS).is_file() and _holds_data(root):
                raise VideoError(
                    f"{root} holds other files, and no {REPORTS}, which every folder of iics crop has. Give an empty "
                    "or new folder, or one that iics crop made, whole."
                )
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"Cannot make the folder {root}: {error.strerror or error}.") from error
        if not (root / REPORTS).exists():
            write_atomically(root / REPORTS, _json([]))

    def reports(self) -> dict[Path, VideoReport]:
        """Return the reports of all finished videos by their folders, cameras and videos in natural order."""
        cameras = natural_order(path.name for path in _folders_in(self.root))
        folders = [
            self.root / camera / video
            for camera in cameras
            for video in natural_order(path.name for path in _folders_in(self.root / camera))
        ]
        return {folder: VideoReport.read(folder / _REPORT) for folder in folders}

    def check_times(self, *, start: str) -> None:
        """Refuse a video whose times cannot be compared with those that are there.

        Raises:
            VideoError: If some have a start and others have none.
        """
        for folder, report in self.reports().items():
            if bool(report.settings["start"]) != bool(start):
                has, needs = ("a", "give one") if report.settings["start"] else ("no", "leave it out")
                raise VideoError(
                    f"{folder} was cropped with {has} --start, and times in one table must be comparable: {needs}, or "
                    "use another --out."
                )

    @contextmanager
    def video(self, video: Path, fingerprint: str, *, camera: str) -> Iterator[VideoFolder]:
        """Yield the folder of a video, for this process alone.

        Raises:
            VideoError: If another process is at work on the video, or it was cropped for another camera.
        """
        stem = "".join(each if each.isprintable() else "-" for each in video.stem.lstrip("."))
        name = f"{stem[:_STEM]}-{fingerprint[:_DIGITS]}"
        for folder in sorted(self.root.glob(f"*/*-{fingerprint[:_DIGITS]}")):
            other = folder.parent.name
            if other != camera:
                raise VideoError(
                    f"{video} is being or was cropped for camera {other}, not {camera}; remove {folder} first, or name "
                    "that camera."
                )
            name = folder.name.lstrip(".")  # the same video under another file name
        at_work = self.root / camera / f".{name}"
        with ExitStack() as stack:
            try:
                at_work.parent.mkdir(exist_ok=True)
                is_ours = stack.enter_context(locked(at_work, wait=False))
            except OSError as error:
                raise WriteError(f"Cannot write into {at_work.parent}: {error.strerror or error}.") from error
            if not is_ours:
                raise VideoError(f"Another process is cropping {video} into {self.root}; wait for it.")
            lock = at_work.with_name(f"{at_work.name}.lock")
            stack.callback(lock.unlink, missing_ok=True)
            yield VideoFolder(at_work, self.root / camera / name, camera=camera, video=video.name)

    def write_table(self) -> None:
        """Make the table and the reports anew from the finished videos; one process at a time."""
        with locked(self.root / ".crops", wait=True):
            reports = self.reports()
            rows: list[dict[str, object]] = []
            first_tracklet = 0
            begins: Counter[str] = Counter()  # of the next video of a camera, where no start is known
            for folder, report in reports.items():
                camera = folder.parent.name
                for row in read_table(folder / TABLE, known=report.table):
                    path = (folder / row["path"]).relative_to(self.root).as_posix()
                    # Else two videos of a camera would show their people in one frame, and so as different people.
                    time = row["time"] if not begins[camera] else f"{begins[camera] + float(row['time']):.3f}"
                    rows.append({**row, "path": path, "time": time, "tracklet": first_tracklet + int(row["tracklet"])})
                first_tracklet += report.tracklets
                if not report.settings["start"]:
                    begins[camera] += math.ceil(report.seconds) + _SECONDS_BETWEEN
            write_atomically(self.root / TABLE, table_text(rows))
            write_atomically(self.root / REPORTS, _json([report.as_json() for report in reports.values()]))


class VideoFolder:
    """The crops of one video, at work or finished.

    Args:
        at_work: Where they are while the video is at work.
        finished: Where they are after.
        camera: Name of the camera.
        video: Name of the file.
    """

    def __init__(self, at_work: Path, finished: Path, *, camera: str, video: str) -> None:
        self._at_work, self.finished = at_work, finished
        self._camera, self._video = camera, video
        self._rows: list[dict[str, object]] = []

    @property
    def num_crops(self) -> int:
        """Crops written so far."""
        return len(self._rows)

    @property
    def journal(self) -> Path:
        """Where the detections of a video at work are kept."""
        return self._at_work / JOURNAL

    def report(self) -> VideoReport | None:
        """Return the report of a finished video, None if it is not finished."""
        return VideoReport.read(self.finished / _REPORT) if self.finished.is_dir() else None

    def begin(self) -> None:
        """Make the folder, and remove all that a killed run left in it but its detections.

        Raises:
            WriteError: If it cannot be made.
        """
        try:
            self._at_work.mkdir(exist_ok=True)
            for path in self._at_work.iterdir():
                if path != self.journal and not path.is_dir():  # a NAS puts folders of its own there
                    path.unlink()
        except OSError as error:
            raise WriteError(f"Cannot begin in {self._at_work}: {error.strerror or error}.") from error

    def write(self, crop: ChosenCrop, *, start_seconds: float) -> None:
        """Write one crop and remember its row of the table.

        Raises:
            WriteError: If it cannot be written.
        """
        person = crop.person
        name = f"{crop.tracklet:05d}-{person.frame:08d}.jpg"
        write_atomically(self._at_work / name, crop.image)
        time = f"{start_seconds + person.seconds:.3f}"
        values = (name, self._camera, time, crop.tracklet, self._video, person.frame, *person.box)
        self._rows.append(dict(zip(COLUMNS, (*values, f"{person.confidence:.4f}"), strict=True)))

    def finish(self, report: VideoReport) -> VideoReport:
        """Write table and report, and make the folder a finished one; return the report with the table's hash in it.

        Raises:
            WriteError: If that fails.
        """
        table = table_text(sorted(self._rows, key=lambda row: str(row["path"])))
        report = replace(report, table=table_hash(table))
        write_atomically(self._at_work / TABLE, table)
        write_atomically(self._at_work / _REPORT, json.dumps(report.as_json(), indent=1, ensure_ascii=False) + "\n")
        try:
            self.journal.unlink(missing_ok=True)
            self._at_work.rename(self.finished)
        except OSError as error:
            raise WriteError(f"Cannot finish {self.finished}: {error.strerror or error}.") from error
        return report


def _holds_data(folder: Path) -> bool:
    return not all(is_ignored(path.name) for path in folder.iterdir())


def _folders_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir() and not is_ignored(path.name)]


def _json(reports: list[dict[str, object]]) -> str:
    return json.dumps({"videos": reports}, indent=1, ensure_ascii=False) + "\n"
