"""Where the boxes of a camera in MOT text are, and its frames: folders as MOTChallenge has them, or files alone.

MOT17-02/seqinfo.ini     may say the folder of frames, frame rate, number and size of frames
MOT17-02/img1/000001.jpg frames, by the number at the end of their names; or one video in the folder
MOT17-02/gt/gt.txt       ground truth, or if there is none, det/det.txt: detections
lobby.txt                boxes of a tracker alone, beside a folder of frames, lobby/ or lobby/img1/, or lobby.mp4
"""

from __future__ import annotations

import configparser
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from iics.errors import DataError
from iics.natural_order import natural_order
from iics.readers.layout_place import listed
from iics.readers.left_out import is_ignored, is_image
from iics.regular_file import MOST_TEXT_BYTES, open_regular, read_regular
from iics.shown_name import shown
from iics.shown_picture import decoding, opened_picture, shown_size
from iics.video_pictures import VIDEO_SUFFIXES, VideoFacts, picture_path, video_facts

logger = logging.getLogger(__name__)

_INFO, _FRAMES = "seqinfo.ini", "img1"
_TEXTS = ("gt/gt.txt", "det/det.txt")  # the first that is there
_DETECTORS = re.compile(r"-(DPM|FRCNN|SDP)$")
_LAYOUT = (
    "MOT data is a folder with gt/gt.txt or det/det.txt and frames in img1/ (or one video), or boxes.txt beside them"
)


@dataclass(frozen=True)
class SequenceInfo:
    """What seqinfo.ini says; 0 or "" where it is silent or missing."""

    folder: str = ""
    frames_per_second: float = 0
    num_frames: int = 0
    width: int = 0
    height: int = 0


@dataclass(frozen=True, eq=False)
class Sequence:
    """The boxes and frames of one camera.

    Attributes:
        name: The camera.
        text: Its boxes.
        place: The folder of frames, or the video.
        info: What is said of it.
    """

    name: str
    text: Path
    place: Path
    info: SequenceInfo

    @property
    def is_truth(self) -> bool:
        """Whether ids are identities, as in gt.txt; those of other files are a tracker's."""
        return self.text.stem == "gt"

    @cached_property
    def pictures(self) -> Mapping[int, Path] | None:
        """The picture of each frame, None if they are in a video."""
        return None if self.place.is_file() else _numbered(self.place)

    def frames(self, numbers: set[int]) -> dict[int, Path]:
        """Return the picture of each frame that is asked for.

        Raises:
            DataError: If some have none, or there is more than seqinfo.ini says.
        """
        most = self.info.num_frames
        if most and max(numbers) > most:
            raise DataError(f"{self.text} has boxes in frame {max(numbers)}, but {_INFO} says {most} frames. Mend one.")
        if self.pictures is None:
            return {number: picture_path(self.place, number) for number in numbers}
        missing = sorted(numbers - self.pictures.keys())
        if missing:
            raise DataError(
                f"{len(missing)} of {len(numbers)} frames with boxes in {self.text} have no picture in {self.place}, "
                f"the first is frame {missing[0]}; there are {len(self.pictures)} pictures, of frames "
                f"{min(self.pictures)} to {max(self.pictures)}. Add the pictures, or take these boxes out."
            )
        return {number: self.pictures[number] for number in numbers}

    @property
    def frames_per_second(self) -> float:
        """Frames a second as seqinfo.ini says or, if it does not, the video; 0 if neither does."""
        if self.info.frames_per_second or self.pictures is not None:
            return self.info.frames_per_second
        return self._facts.frames_per_second

    @cached_property
    def _facts(self) -> VideoFacts:
        try:
            return video_facts(self.place)
        except DataError as error:
            raise DataError(f"The frames of {self.text} cannot be read: {error}.") from error

    def size(self) -> tuple[int, int]:
        """Return width and height of the frames.

        Raises:
            DataError: If the first one cannot be read, or seqinfo.ini says another size.
        """
        if self.pictures is None:
            size = self._facts.width, self._facts.height
        else:
            first = self.pictures[min(self.pictures)]
            try:
                with decoding(), open_regular(first) as file, opened_picture(file) as image:
                    size = shown_size(image)
            except DataError as error:
                raise DataError(f"The frame {first} cannot be read ({error}). Replace it.") from error
        said = (self.info.width or size[0], self.info.height or size[1])
        if said != size:
            raise DataError(
                f"Frames in {self.place} have {size[0]} x {size[1]} pixels, {_INFO} says {said[0]} x {said[1]}: boxes "
                f"would lie elsewhere. Give the frames that the boxes were drawn on, or mend {_INFO}."
            )
        return size


def find_sequences(data_dir: Path) -> list[Sequence]:
    """Return the sequences at a path, in natural order of their names.

    Args:
        data_dir: A folder of one sequence, a folder of such folders or of text files, or a text file.

    Raises:
        DataError: If there is none, or the frames of one are missing or can be read in two ways.
    """
    if data_dir.is_file():
        return [_of_file(data_dir)]
    if not data_dir.is_dir():
        raise DataError(f"There is nothing at {data_dir}. {_LAYOUT}.")
    if _text_of(data_dir) is not None:
        return [_of_folder(data_dir)]
    entries = [entry for entry in data_dir.iterdir() if not is_ignored(entry.name)]
    folders = {entry.name: entry for entry in entries if entry.is_dir() and _text_of(entry) is not None}
    texts = {entry.stem: entry for entry in entries if entry.suffix.lower() == ".txt" and entry.is_file()}
    if folders:
        _check_copies(list(folders), data_dir)
        _check_all_have_boxes(
            {entry.name for entry in entries if (entry / _FRAMES).is_dir()} - folders.keys(), data_dir
        )
        _tell_not_read(texts, data_dir)
        return [_of_folder(folders[name]) for name in natural_order(folders)]
    if not texts:
        raise DataError(f"{data_dir} holds no boxes. {_LAYOUT}, or a folder of several of these.")
    return [_of_file(texts[name]) for name in natural_order(texts)]


def is_sequence(folder: Path) -> bool:
    """Return whether a folder is laid out as a sequence of MOTChallenge."""
    return _text_of(folder) is not None or (folder / _INFO).is_file()


def _text_of(folder: Path) -> Path | None:
    return next((folder / text for text in _TEXTS if (folder / text).is_file()), None)


def _of_folder(folder: Path, text: Path | None = None) -> Sequence:
    info = _info(folder / _INFO)
    frames = folder / (info.folder or _FRAMES)
    text = text or _text_of(folder)
    return Sequence(folder.name, text, _frames_or_video(frames, folder, text), info)  # type: ignore[arg-type]


def _of_file(text: Path) -> Sequence:
    """Return the sequence of a text file: of the folder around gt/ or det/, or with the frames beside it."""
    text = text.absolute()
    if text.parent.name in ("gt", "det"):
        return _of_folder(text.parent.parent, text)
    beside = text.with_suffix("")
    if (beside / _INFO).is_file():
        return Sequence(text.stem, text, _of_folder(beside, text).place, _info(beside / _INFO))
    inner = beside / _FRAMES
    return Sequence(text.stem, text, _frames_or_video(inner if inner.is_dir() else beside, text, text), SequenceInfo())


def _frames_or_video(frames: Path, place: Path, text: Path) -> Path:
    """Return the folder of frames or, if it is not there, the one video in the folder, or of the text file's name."""
    if frames.is_dir():
        return frames
    if place.is_dir():
        found = [each for each in sorted(place.iterdir()) if not is_ignored(each.name)]
    else:
        found = sorted(place.parent.glob(f"{_escaped(place.stem)}.*"))
    videos = [each for each in found if each.suffix.lower() in VIDEO_SUFFIXES and each.is_file()]
    if len(videos) != 1:
        what = (
            f"{len(videos)} videos are beside it ({videos[0].name}, ...)" if videos else "there is no video beside it"
        )
        raise DataError(
            f"The frames of {text} are missing: there is no folder {frames}, and {what}. {_LAYOUT}; a video needs to "
            "be the only one."
        )
    return videos[0]


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _numbered(folder: Path) -> dict[int, Path]:
    """Return the pictures of a folder by the number at the end of their names."""
    pictures: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        if is_ignored(path.name) or not is_image(path.name):
            continue
        match = re.search(r"([0-9]{1,18})$", path.stem)
        if match is None:
            raise DataError(f"{path} does not end in the number of a frame, as 000001.jpg does. Rename or move it.")
        number = int(match[1])
        if number == 0:
            raise DataError(
                f"{path} is numbered 0, but frames of MOT files are counted from 1: the first picture is 000001.jpg. "
                "Rename the pictures, one number higher each; else every box lies in the frame before its own."
            )
        if number in pictures:
            raise DataError(f"{path} and {pictures[number].name} are both frame {number}. Move one of them away.")
        pictures[number] = path
    if not pictures:
        raise DataError(f"{folder} holds no picture of a frame, as 000001.jpg. Add the frames.")
    return pictures


def _info(file: Path) -> SequenceInfo:
    if not file.is_file():
        return SequenceInfo()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_regular(file, most_bytes=MOST_TEXT_BYTES).decode("utf-8-sig"))
        said = parser["Sequence"]
        info = SequenceInfo(
            said.get("imDir", ""),
            said.getfloat("frameRate", 0),
            said.getint("seqLength", 0),
            said.getint("imWidth", 0),
            said.getint("imHeight", 0),
        )
    except (OSError, ValueError, KeyError, configparser.Error) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"Cannot read {file}: {reason}. It needs a section [Sequence] with frameRate=30, ..."
        ) from error
    if not 0 <= info.frames_per_second <= 10**4:
        raise DataError(f"{file}: frameRate {info.frames_per_second:g} is no number of frames a second.")
    return info


def _check_all_have_boxes(without: set[str], data_dir: Path) -> None:
    """Refuse frames without boxes beside sequences that have them: they would be passed over."""
    if without:
        raise DataError(
            f"{data_dir / natural_order(without)[0]} has frames but neither {' nor '.join(_TEXTS)}, which other "
            f"folders in {data_dir} have. Add its boxes, or move it away."
        )


def _tell_not_read(texts: Mapping[str, Path], data_dir: Path) -> None:
    """Warn of text files beside folders of sequences: they may be a tracker's boxes, or anybody's notes."""
    if texts:
        logger.warning(
            "%s: not read are %s, beside folders with %s; boxes of a text file are read by its path.",
            shown(data_dir.name),
            shown(listed(text.name for text in texts.values())),
            " or ".join(_TEXTS),
        )


def _check_copies(names: list[str], data_dir: Path) -> None:
    """Refuse the same frames under two names: MOT17 comes once for each of three detectors."""
    first: dict[str, str] = {}
    for name in natural_order(names):
        scene = _DETECTORS.sub("", name)
        if first.setdefault(scene, name) != name:
            raise DataError(
                f"{first[scene]} and {name} in {data_dir} show the same frames, found by two detectors, and would be "
                "two cameras. Keep those of one detector there."
            )
