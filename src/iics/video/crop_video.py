"""A video -> a folder of crops with camera, time and tracklet: the steps in their order."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iics.errors import VideoError
from iics.regular_file import open_regular
from iics.video.crop_folder import CropFolder, VideoFolder
from iics.video.crop_settings import CropSettings
from iics.video.detection_journal import DetectionJournal
from iics.video.detectors import DETECTORS, DetectorOptions
from iics.video.person_crops import PersonCrops
from iics.video.video_report import VideoReport
from iics.video_frames import VideoFile

logger = logging.getLogger(__name__)

FrameProgress = Callable[[int, int | None], None]
"""Takes the number of frames done and of all, None if that is unknown."""


@dataclass(frozen=True)
class CroppedVideo:
    """What came of a video.

    Attributes:
        folder: Where its crops are.
        report: What was kept and dropped.
        was_finished: Whether it had been cropped before, and nothing was done now.
    """

    folder: Path
    report: VideoReport
    was_finished: bool


def crop_video(
    video: Path, out: Path, *, settings: CropSettings, device: str = "auto", progress: FrameProgress | None = None
) -> CroppedVideo:
    """Write crops of the people in a video, and list them in the table of `out`.

    After a kill, the same call continues and ends with the same files.

    Args:
        video: The file.
        out: Folder of crops, to which other videos may have been added before.
        settings: What to look for and keep.
        device: Torch device of a torchvision detector.
        progress: Called after every frame.

    Raises:
        VideoError: If the video cannot be read, was cropped otherwise before, or nobody is found in it.
        WeightsError: If the detector's weights cannot be had.
        WriteError: If crops cannot be written.
    """
    with VideoFile(video) as opened:
        fingerprint = _fingerprint(video)
        settings_json = _as_json(settings)
        folder = CropFolder(out)
        folder.check_times(start=settings.start)
        with folder.video(video, fingerprint, camera=settings.camera) as place:
            before = place.report()
            if before is None:
                people = _write_crops(opened, place, fingerprint, settings, device, progress)
                report = place.finish(_report(opened, place, people, video, fingerprint, settings_json))
            else:
                _check_same(before, settings_json, place.finished)
        folder.write_table()
    return CroppedVideo(place.finished, before or report, was_finished=before is not None)


def _write_crops(
    opened: VideoFile,
    place: VideoFolder,
    fingerprint: str,
    settings: CropSettings,
    device: str,
    progress: FrameProgress | None,
) -> PersonCrops:
    """Write the crops of all frames, and return the counts."""
    kind = DETECTORS[settings.detector]
    detect = kind.build(DetectorOptions(settings.min_height, settings.detector_weights, device))
    decisive = {name: _as_json(settings)[name] for name in ("detector", "stride", *kind.depends_on)}
    if not opened.display.is_as_stored:  # a journal of frames as they are stored is of other pictures
        decisive["display"] = dataclasses.asdict(opened.display)
    people = PersonCrops(settings, frames_per_second=opened.frames_per_second)
    place.begin()
    with DetectionJournal(place.journal, key=json.dumps({"video": fingerprint, **decisive})) as journal:
        if journal.num_remembered:
            logger.info("Going on: %d frames were searched before.", journal.num_remembered)
        for frame in opened.frames(stride=settings.stride):
            for crop in people.add(frame, journal.detections(frame, detect)):
                place.write(crop, start_seconds=settings.start_seconds())
            if progress is not None:
                progress(frame.index + 1, opened.stated_frames)
    people.end()
    return people


def _report(
    opened: VideoFile,
    place: VideoFolder,
    people: PersonCrops,
    video: Path,
    fingerprint: str,
    settings_json: Mapping[str, Any],
) -> VideoReport:
    """Return the report; warn of faults of the file, refuse if there is no crop."""
    if not people.num_frames:
        raise VideoError(f"No frame of {video} could be decoded; check that it plays.")
    faults = opened.faults()
    for fault in faults:
        logger.warning("%s: %s", video, fault)
    report = VideoReport(
        video=video.name,
        fingerprint=fingerprint,
        settings=settings_json,
        seconds=round(people.last_seconds, 3),
        frames=opened.num_read,
        frames_searched=people.num_frames,
        boxes=people.num_boxes,
        dropped=people.dropped(),
        tracklets=people.num_tracklets,
        crops=place.num_crops,
        faults=faults,
    )
    if not report.crops:
        counts = ", ".join(f"{number} {reason}" for reason, number in report.dropped.items() if number)
        raise VideoError(
            f"Nobody was found in {video}: {report.frames_searched} frames searched, {report.boxes} boxes"
            f"{f' ({counts})' if counts else ''}. Try a lower --min-confidence (it was "
            f"{settings_json['min_confidence']}), --min-height ({settings_json['min_height']}) or --min-tracklet "
            f"({settings_json['min_tracklet']}), or another --detector."
        )
    return report


def _fingerprint(file: Path) -> str:
    """Return the SHA-256 of a file's contents."""
    try:
        with open_regular(file) as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise VideoError(f"Cannot read {file}: {error.strerror or error}.") from error


def _as_json(settings: CropSettings) -> dict[str, Any]:
    """Return settings as JSON values that decide about the crops: weights by their contents, no default left open."""
    weights = settings.detector_weights
    return {
        **dataclasses.asdict(settings),
        "min_confidence": settings.confidence_needed(),
        "detector_weights": None if weights is None else _fingerprint(weights),
    }


def _check_same(before: VideoReport, settings_json: Mapping[str, Any], folder: Path) -> None:
    """Refuse to take crops that were made with other settings for those asked for."""
    for name, value in settings_json.items():
        if before.settings.get(name) != value:
            raise VideoError(
                f"{folder} was cropped with {name} {before.settings.get(name)}, not {value}. Remove that folder to "
                "crop the video again."
            )
