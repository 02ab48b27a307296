"""A gallery's people brought up to date: new sightings join identities or found new ones; numbers stay for ever.

The first time all sightings are linked. Later only what is new is, with the identities that are nearest to it and those
that were corrected; the others are not touched, so a rerun without anything new writes nothing. Everything that is
found is written at one moment (`iics.people.store`); what a kill loses is computed again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from iics.gallery.centred_gallery import gallery_choice
from iics.gallery.gallery import Gallery
from iics.people.kept import Kept
from iics.people.kept_sightings import as_sightings
from iics.people.link_rule import MOST_BACKGROUND, LinkRule, find_rule
from iics.people.linking import link
from iics.people.looked_at import IS_CENTRED, LookedAt, Progress, look_at
from iics.people.neighbours import nearest_sightings
from iics.people.relinking import constraints, touched_since, with_corrections_linked, with_found, with_links
from iics.people.sightings import Sightings
from iics.people.store import Changing, PeopleStore
from iics.people.travel_times import TravelTimes, learned_travel_times

if TYPE_CHECKING:
    from iics.models.match_thresholds import MatchThresholds
    from iics.models.reid_model import ReidModel

_RULE, _RULE_FROM = "rule", "rule_from"
_WRONG_LINKS = "wrong_links"
_ROWS_AT_ONCE = 4096
Travel = TravelTimes | Literal["learned"] | None
_GROWTH = 1.5
"""The rule is found anew when there are so many times the sightings that it was found by."""


@dataclass(frozen=True)
class UpdateResult:
    """What became of a gallery's people.

    Attributes:
        num_new: Sightings that are new.
        num_changed: Sightings that were made from other crops before.
        num_gone: Sightings whose crops are no longer there, or are of another one.
        num_new_people: Identities that new sightings founded.
        num_merged: Identities that were merged into older ones.
        num_linked: Sightings that were linked: the new ones, and what may be of the same people.
        rule: When two groups of sightings are one person, a sentence; "" if nothing was linked.
        notes: What is to be told, each a sentence.
    """

    num_new: int = 0
    num_changed: int = 0
    num_gone: int = 0
    num_new_people: int = 0
    num_merged: int = 0
    num_linked: int = 0
    rule: str = ""
    notes: tuple[str, ...] = ()


def update_people(
    gallery: Gallery,
    model: ReidModel,
    *,
    wrong_links: float | None = None,
    travel: Travel = None,
    progress: Progress | None = None,
) -> UpdateResult:
    """Bring the people of a gallery up to date.

    Args:
        gallery: Whose crops are linked.
        model: The gallery's.
        wrong_links: Share of links that may be wrong; None for what was wanted last, or else leaves it to the data.
            Another one than last links all sightings again; a person is split where the parts are then in doubt.
        travel: Travel times between cameras, or "learned" for what confident links say of them: of the people as they
            are, or at first of what is linked without them. None takes no account of times.
        progress: Called as the work goes on.

    Raises:
        GalleryError: If the model is another one than the gallery's, or the database fails.
        PeopleError: If another process changes these people, or a tracklet has crops of two cameras.
        WeightsError: If features are to be centred and the model has no means.
    """
    gallery.check_model(model)
    store = PeopleStore.open(gallery, must_exist=False)
    with store.changing("linked") as changing:
        kept = changing.kept
        is_centred = _is_centred(gallery, model, kept)
        looked = look_at(store, kept, is_centred=is_centred, means=model.camera_means, progress=progress)
        settings = _Settings(model.header.match_thresholds, wrong_links, travel)
        return _updated(changing, looked, settings, is_centred=is_centred)


@dataclass(frozen=True)
class _Settings:
    thresholds: MatchThresholds | None
    wrong_links: float | None
    travel: Travel


def _is_centred(gallery: Gallery, model: ReidModel, kept: Kept) -> bool:
    """Return the gallery's choice; where it has none, that of the first time people were looked for: then `auto`."""
    is_open = gallery.centre_choice is None
    if is_open and IS_CENTRED in kept.settings:
        return bool(kept.settings[IS_CENTRED])
    choice = gallery_choice(gallery, model.camera_means, "auto" if is_open and model.camera_means else None)
    choice.log()
    return choice.is_centred


def _updated(changing: Changing, looked: LookedAt, settings: _Settings, *, is_centred: bool) -> UpdateResult:
    store, before, gathered = changing.store, changing.kept, looked.gathered
    now = time.time()
    kept = with_found(looked.kept.with_setting(IS_CENTRED, is_centred), gathered, now=now)
    touched = touched_since(kept)
    known = set(before.sightings)
    keys: list[str] = []
    told = ""
    is_asked_anew = settings.wrong_links not in (None, before.settings.get(_WRONG_LINKS))
    if gathered.pending or touched or is_asked_anew:
        kept, rule = _with_rule(store, kept, looked, settings, is_anew=is_asked_anew)
        keys = sorted(kept.sightings) if is_asked_anew else _to_link(store, kept, looked, touched)
        told = rule.source
        sightings = _sightings(store, kept, keys, looked)
        kept = _linked(kept, keys, sightings, rule, settings.travel, now=now)
    kept = with_corrections_linked(kept)
    _write(changing, kept, looked)
    return UpdateResult(
        num_new=sum(key not in known for key in gathered.pending),
        num_changed=sum(key in known for key in gathered.pending),
        num_gone=len(gathered.gone),
        num_new_people=kept.highest - before.highest,
        num_merged=sum(change.kind == "merged" for change in kept.changes.values())
        - sum(change.kind == "merged" for change in before.changes.values()),
        num_linked=len(keys),
        rule=told,
        notes=looked.notes,
    )


def _linked(
    kept: Kept, keys: Sequence[str], sightings: Sightings, rule: LinkRule, travel: Travel, *, now: float
) -> Kept:
    """Return people with the links of some sightings; twice found where travel times have to be learned of them."""
    initial, same, apart = constraints(kept, keys)

    def linked_by(times: TravelTimes | None) -> Kept:
        found = link(sightings, rule=rule, initial=initial, same=same, apart=apart, travel=times)
        return with_links(kept, keys, found, now=now)

    if travel != "learned":
        return linked_by(travel)
    times = learned_travel_times(kept.people().seen)
    after = linked_by(times)
    if kept.highest == 0:
        times = learned_travel_times(after.people().seen)
        if np.nan_to_num(times.shortest).any():
            after = linked_by(times)
    return replace(after, travel_times=dict(learned_travel_times(after.people().seen).by_cameras()))


def _write(changing: Changing, kept: Kept, looked: LookedAt) -> None:
    """Write features first, then everything else at one moment, then delete the features of what is no more."""
    gathered = looked.gathered
    if gathered.pending or gathered.gone:
        ids = [gathered.found[key].feature_id for key in gathered.pending]
        changing.commit_features(kept, ids, looked.features, is_forgetting=bool(gathered.gone))
    else:
        changing.commit(kept)


def _to_link(store: PeopleStore, kept: Kept, looked: LookedAt, touched: set[str]) -> list[str]:
    """Return the sightings to link: the new and the corrected, those nearest to them, and their whole identities."""
    pending = set(looked.gathered.pending)
    settled = [key for key in kept.sightings if key not in pending]
    persons = kept.persons()
    near = set()
    if settled and pending:
        near = nearest_sightings(store, kept, settled, looked.features)
    wanted = {persons[key] for key in (*near, *touched, *pending)} - {0}
    return sorted(key for key, person in persons.items() if person in wanted or key in pending)


def _with_rule(
    store: PeopleStore, kept: Kept, looked: LookedAt, settings: _Settings, *, is_anew: bool
) -> tuple[Kept, LinkRule]:
    """Return people that know the rule that sightings are linked by, and the rule: the one before, unless it is old."""
    by_lot = sorted(kept.sightings, key=lambda key: hashlib.blake2b(key.encode()).digest())
    sample = _sightings(store, kept, sorted(by_lot[:MOST_BACKGROUND]), looked)
    num = len(kept.sightings)
    known = kept.settings.get(_RULE)
    if known is not None and not is_anew and num < _GROWTH * kept.settings[_RULE_FROM]:
        return kept, LinkRule(**known, background=sample)
    wrong_links = kept.settings.get(_WRONG_LINKS) if settings.wrong_links is None else settings.wrong_links
    rule = find_rule(sample, num_sightings=num, thresholds=settings.thresholds, wrong_links=wrong_links)
    found = {_RULE: rule.values(), _RULE_FROM: num, _WRONG_LINKS: wrong_links}
    return replace(kept, settings={**kept.settings, **found}), rule


def _sightings(store: PeopleStore, kept: Kept, keys: Sequence[str], looked: LookedAt) -> Sightings:
    """Return sightings with their features: of the pending ones at hand, of the others from the store."""
    place = {key: at for at, key in enumerate(looked.gathered.pending)}
    features = np.empty((len(keys), store.gallery.dimension), dtype=np.float32)
    others = [at for at, key in enumerate(keys) if key not in place]
    at_hand = [at for at, key in enumerate(keys) if key in place]
    features[at_hand] = looked.features[[place[keys[at]] for at in at_hand]]
    for start in range(0, len(others), _ROWS_AT_ONCE):
        block = others[start : start + _ROWS_AT_ONCE]
        features[block] = store.vectors([kept.sightings[keys[at]].feature_id for at in block])
    return as_sightings([kept.sightings[key] for key in keys], features)
