"""Gallery -> the sightings that there are now: which are new, which changed, which are gone. No feature is read here.

A sighting is a tracklet; a crop by itself where it has none, or where its tracklet was found broken. Its mark is a hash
of all that its feature is made from, so a crop that came, went, or has another picture or camera makes another one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from iics.errors import PeopleError
from iics.gallery.filters import GalleryFilters
from iics.gallery.gallery import Gallery
from iics.gallery.schema import ID_FIELD
from iics.people.kept import Kept, KeptSighting
from iics.plausible_times import TEN_YEARS
from iics.progress_display import count_of
from iics.shown_name import shown

_LONGEST_TRACKLET = 86400.0
_FIELDS = ("digest", "camera", "time", "tracklet")


@dataclass(frozen=True, slots=True)
class SeenCrop:
    """A crop of the gallery: id, camera, time; hashes of all that decides its sighting, and of its picture."""

    crop_id: str
    camera: str
    time: float | None
    mark: bytes
    picture: int


@dataclass(frozen=True, eq=False)
class Gathered:
    """The sightings of a gallery beside those that are kept.

    Attributes:
        found: All that there are, by key; those that are not kept have the number 0.
        pending: Keys of those that are not kept, or were made from something else, in order.
        gone: Keys of those that are no more, in order.
        crops: Of the pending tracklets, which may turn out broken, by key.
        broken: Mark of each tracklet that was found broken before and is as it was, by key.
        notes: What is to be told, each a sentence.
    """

    found: dict[str, KeptSighting]
    pending: tuple[str, ...]
    gone: tuple[str, ...]
    crops: dict[str, list[SeenCrop]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def gather(gallery: Gallery, kept: Kept, *, is_centred: bool) -> Gathered:
    """Return the sightings of a gallery.

    Args:
        gallery: Whose rows are read, all of them, without features.
        kept: What is known of its people.
        is_centred: Whether features are centred.

    Raises:
        PeopleError: If a tracklet has crops of two cameras.
    """
    tracklets: dict[str, list[SeenCrop]] = {}
    singles: list[SeenCrop] = []
    for row in gallery.rows(GalleryFilters(), fields=_FIELDS):
        crop = _crop(row)
        if row["tracklet"] is None:
            singles.append(crop)
        else:
            tracklets.setdefault(f"t{row['tracklet']}", []).append(crop)
    _check_cameras(gallery, tracklets)
    found: dict[str, KeptSighting] = {}
    broken: dict[str, str] = {}
    for key, crops in tracklets.items():
        sighting = sighting_of(key, crops, is_centred=is_centred)
        if kept.broken.get(key) == sighting.mark:
            singles += crops
            broken[key] = sighting.mark
        else:
            found[key] = _as_kept(sighting, kept)
    for crop in singles:
        found[crop.crop_id] = _as_kept(sighting_of(crop.crop_id, [crop], is_centred=is_centred), kept)
    pending = sorted(key for key, each in found.items() if not _is_kept(each, kept))
    gone = sorted(kept.sightings.keys() - found.keys())
    crops_of = {key: tracklets[key] for key in pending if key in tracklets}
    all_crops = [*singles, *(crop for crops in tracklets.values() for crop in crops)]
    notes = (*_notes(tracklets, all_crops), *_copied_cameras(kept, all_crops))
    return Gathered(found, tuple(pending), tuple(gone), crops_of, broken, notes)


def sighting_of(key: str, crops: list[SeenCrop], *, is_centred: bool) -> KeptSighting:
    """Return the sighting that crops of one camera are, with the number 0."""
    crops = sorted(crops, key=lambda crop: (crop.time is None, crop.time or 0.0, crop.crop_id))
    times = [crop.time for crop in crops if crop.time is not None]
    mark = hashlib.blake2b(b"".join(crop.mark for crop in crops) + bytes([is_centred]), digest_size=12).hexdigest()
    first, last = (times[0], times[-1]) if times else (None, None)
    return KeptSighting(key, 0, 1.0, crops[0].camera, first, last, tuple(crop.crop_id for crop in crops), mark)


def without_broken(gathered: Gathered, broken: Iterable[str], kept: Kept, *, is_centred: bool) -> Gathered:
    """Return the sightings with the crops of tracklets that are found broken by themselves."""
    marks = {key: gathered.found[key].mark for key in broken}
    found, pending, gone = dict(gathered.found), set(gathered.pending), set(gathered.gone)
    for key in marks:
        del found[key]
        pending.discard(key)
        if key in kept.sightings:
            gone.add(key)
        for crop in gathered.crops[key]:
            single = _as_kept(sighting_of(crop.crop_id, [crop], is_centred=is_centred), kept)
            found[crop.crop_id] = single
            gone.discard(crop.crop_id)
            if not _is_kept(single, kept):
                pending.add(crop.crop_id)
    return replace(
        gathered,
        found=found,
        pending=tuple(sorted(pending)),
        gone=tuple(sorted(gone)),
        broken={**gathered.broken, **marks},
    )


def without(gathered: Gathered, keys: Iterable[str], *, are_gone: bool = False) -> Gathered:
    """Return the sightings without some pending ones: they stay as they are kept, or are gone."""
    left = set(keys)
    found = {key: each for key, each in gathered.found.items() if key not in left}
    pending = tuple(key for key in gathered.pending if key not in left)
    gone = tuple(sorted({*gathered.gone, *(left if are_gone else ())}))
    return replace(gathered, found=found, pending=pending, gone=gone)


def _crop(row: Mapping[str, object]) -> SeenCrop:
    time = row["time"]
    text = "\0".join(str(row[name]) for name in (ID_FIELD, *_FIELDS))
    mark = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
    picture = hash(row["digest"] or row[ID_FIELD])
    return SeenCrop(str(row[ID_FIELD]), str(row["camera"]), time if isinstance(time, float) else None, mark, picture)


def _as_kept(sighting: KeptSighting, kept: Kept) -> KeptSighting:
    """Return a sighting with the number and certainty that it has."""
    known = kept.sightings.get(sighting.key)
    if known is not None and known.mark == sighting.mark:
        return known  # made from the same, it is the same
    return sighting if known is None else replace(sighting, person=known.person, certainty=known.certainty)


def _is_kept(sighting: KeptSighting, kept: Kept) -> bool:
    known = kept.sightings.get(sighting.key)
    return known is not None and known.mark == sighting.mark


def _check_cameras(gallery: Gallery, tracklets: Mapping[str, list[SeenCrop]]) -> None:
    for key, crops in tracklets.items():
        cameras = sorted({crop.camera for crop in crops})
        if len(cameras) > 1:
            raise PeopleError(
                f"Tracklet {key[1:]} of {gallery.uri} has crops of the cameras {shown(cameras[0])} and "
                f"{shown(cameras[1])}, and a tracklet is of one. If a camera was renamed, index all of its crops again "
                "by its new name."
            )


def _notes(tracklets: Mapping[str, list[SeenCrop]], all_crops: list[SeenCrop]) -> list[str]:
    notes = []
    kinds = Counter(crop.time >= TEN_YEARS for crop in all_crops if crop.time is not None)
    if len(kinds) > 1:
        notes.append(
            f"The times of {count_of(kinds[False], 'crop')} count from the start of a recording, of "
            f"{count_of(kinds[True], 'crop')} they are dates: across these two, no time says who cannot be whom."
        )
    for key, crops in tracklets.items():
        times = [crop.time for crop in crops if crop.time is not None]
        if times and max(times) - min(times) > _LONGEST_TRACKLET:
            notes.append(
                f"Tracklet {key[1:]} of camera {shown(crops[0].camera)} lasts "
                f"{(max(times) - min(times)) / 3600:.0f} hours: its times are out of order, or two tracklets share its "
                "number."
            )
            break
    return notes


def _copied_cameras(kept: Kept, all_crops: list[SeenCrop]) -> list[str]:
    """Return what is to be told of new cameras most of whose pictures are there by another camera's name as well."""
    known = {sighting.camera for sighting in kept.sightings.values()}
    new = [crop for crop in all_crops if crop.camera not in known]
    if not known or not new:
        return []
    of_picture = {crop.picture: crop.camera for crop in all_crops if crop.camera in known}
    sizes = Counter(crop.camera for crop in new)
    copies = Counter((crop.camera, of_picture[crop.picture]) for crop in new if crop.picture in of_picture)
    return [
        f"{count_of(number, 'crop')} of the new camera {shown(name)} are the same pictures as crops of camera "
        f"{shown(old)}, and count twice. If {shown(old)} was renamed, forget what is there by its old name "
        "(iics forget --camera)."
        for (name, old), number in sorted(copies.items())
        if number > sizes[name] / 2
    ]
