"""The people of a gallery, kept in its own database, so that machines which share the database share them.

What is changed together is written together: first all of it as a plan, then one row that says that the plan holds.
From that row on everybody who reads sees the change, and whoever changes next carries it out if this process was
killed. A kill before that row leaves all as it was.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from iics.arrays import FloatArray
from iics.errors import PeopleError
from iics.gallery import connection
from iics.gallery.gallery import Gallery
from iics.people.book import People
from iics.people.kept import Kept, kept_of, rows_of
from iics.people.lock import locked
from iics.people.tables import FEATURES_LAYOUT, TEXTS_LAYOUT, Table
from iics.people.text_pieces import LONG, PIECE, Texts, in_pieces, stored, whole

_PEOPLE, _FEATURES = "_people", "_people_features"
_PLAN, _VERSION = "plan", "version"
_UNSWEPT, _DELETE, _ERASE = "unswept", "delete", "erase"
"""A row while there may be features that nothing refers to: how they have to go. It was a setting once."""
_APART = ("lock", PIECE, _VERSION, _PLAN, _UNSWEPT)
"""Kinds of rows that are no values of people."""
_MOST_READS = 20


class PeopleStore:
    """The people of a gallery, as long as that is open; safe to use from threads.

    Attributes:
        gallery: Whose people they are.
    """

    def __init__(self, gallery: Gallery, texts: Table, features: Table) -> None:
        self.gallery = gallery
        self._texts, self._features = texts, features
        self._known: tuple[str, Kept] | None = None

    @classmethod
    def open(cls, gallery: Gallery, *, must_exist: bool = True) -> PeopleStore:
        """Return the people of a gallery.

        Args:
            gallery: Open as long as the store is used.
            must_exist: Whether to refuse a gallery whose people were never looked for; else they are begun, empty.

        Raises:
            PeopleError: If there are none, or they were found by another model than the gallery's.
            GalleryError: If the database fails.
        """
        store = cls(gallery, Table(gallery, _PEOPLE, TEXTS_LAYOUT), Table(gallery, _FEATURES, FEATURES_LAYOUT))
        # The features first: where texts are, features are.
        if not (store._features.open(must_exist=must_exist) and store._texts.open(must_exist=must_exist)):
            raise PeopleError(f"The gallery {gallery.uri} has no people yet; `iics people {gallery.uri}` finds them.")
        return store

    @classmethod
    def exists(cls, gallery: Gallery) -> bool:
        """Return whether people of a gallery were ever looked for."""
        return Table(gallery, _PEOPLE, TEXTS_LAYOUT).open(must_exist=True)

    def read(self) -> People:
        """Return the people as they stand; quick if nothing changed since the last call."""
        return self.kept().people()

    def kept(self) -> Kept:
        """Return what is kept; a plan that holds is read as if it were carried out."""
        small = self._texts.texts_of([_VERSION, _PLAN])
        for _ in range(_MOST_READS):
            if self._known is not None and _PLAN not in small and self._known[0] == small.get(_VERSION, ""):
                return self._known[1]
            plan = self._plan(small)
            rows = self._texts.texts()
            again = self._texts.texts_of([_VERSION, _PLAN])
            if again == small:
                for row_id in plan["delete"]:
                    rows.pop(row_id, None)
                rows |= {row_id: (kind, text) for row_id, kind, text in plan["write"]}
                kept = kept_of(
                    {key: (kind, whole(text, rows)) for key, (kind, text) in rows.items() if kind not in _APART}
                )
                self._known = (rows.get(_VERSION, ("", ""))[1], kept)
                return kept
            small = again  # somebody changed them between
        raise PeopleError(f"The people of {self.gallery.uri} are being changed all the time; try again later.")

    def sighting_features(self, keys: Sequence[str]) -> FloatArray:
        """Return the mean features of sightings, L2-normalised and centred if the gallery's are. Shape (len(keys), d).

        Raises:
            PeopleError: If there is no such sighting.
        """
        sightings = self.kept().sightings
        for key in keys:
            if key not in sightings:
                raise PeopleError(f"The people of {self.gallery.uri} have no sighting {key}.")
        return self.vectors([sightings[key].feature_id for key in keys])

    def vectors(self, feature_ids: Sequence[str]) -> FloatArray:
        """Return vectors by their ids. Shape (len(feature_ids), d).

        Raises:
            PeopleError: If one is gone.
        """
        found = self._features.vectors_of(feature_ids)
        missing = next((each for each in feature_ids if each not in found), None)
        if missing is not None:
            raise PeopleError(
                f"The people of {self.gallery.uri} changed meanwhile: the feature {missing} is gone. Try again."
            )
        vectors = [found[each] for each in feature_ids]
        return np.array(vectors, dtype=np.float32).reshape(-1, self.gallery.dimension)

    def nearest_vectors(self, queries: FloatArray, limit: int) -> set[str]:
        """Return the ids of the vectors nearest to any of some queries, `limit` of each; queries of shape (n, d)."""
        return self._features.nearest(queries, limit)

    def write_vectors(self, feature_ids: Sequence[str], vectors: FloatArray) -> None:
        """Store vectors by ids that nothing refers to yet. Shape (len(feature_ids), d)."""
        self._features.write_vectors(feature_ids, vectors)

    @contextmanager
    def changing(self, what: str, *, patience: float = 10.0) -> Iterator[Changing]:
        """Hold the right to change these people within a block; what a kill left half done is carried out first.

        Args:
            what: What is done to them, for others to be told: "corrected".
            patience: Seconds to wait for others.

        Raises:
            PeopleError: If another process has that right.
        """
        is_shared = connection.is_server(self.gallery.uri)
        with locked(self._texts, self.gallery.uri, what, is_shared=is_shared, patience=patience) as check:
            self._finish()
            changing = Changing(self, check)
            changing.sweep_after_kill()
            yield changing

    def _commit(self, old: Kept, new: Kept, check: Callable[[], None]) -> None:
        """Replace what is kept, as a whole; nothing is written if nothing changed."""
        before, after = rows_of(old), rows_of(new)
        written = {key: row for key, row in after.items() if key not in before or before[key][1] != row[1]}
        if not written and before.keys() <= after.keys():
            return
        texts = stored({**written, _VERSION: (_VERSION, uuid.uuid4().hex)})
        replaced = {key: row for key, row in before.items() if key in written or key not in after}
        gone = set(stored(replaced)) - set(texts) - set(after)
        plan = json.dumps({"write": [[key, *text] for key, text in texts.items()], "delete": sorted(gone)})
        rows = in_pieces(_PLAN, _PLAN, plan, below=_PLAN)
        holds = {_PLAN: rows.pop(_PLAN)}
        self._texts.write_texts(rows)
        check()
        self._texts.write_texts(holds)
        self._known = None
        self._carry_out(texts, gone, list(rows))
        self._known = (texts[_VERSION][1], new)  # reading it all again would take as long as writing it

    def _finish(self) -> None:
        """Carry out the plan that holds, and delete what is left of plans that do not."""
        small = self._texts.texts_of([_PLAN])
        plan = self._plan(small)
        left = [key for key in self._texts.ids_of_kind(PIECE) if key.startswith(f"{_PLAN}/")]
        if small or left:
            self._carry_out({key: (kind, text) for key, kind, text in plan["write"]}, plan["delete"], left)

    def _carry_out(self, texts: Texts, gone: Collection[str], pieces: Sequence[str]) -> None:
        """Write and delete rows by a plan that holds, then delete it, and its pieces last."""
        self._texts.write_texts(texts)
        self._texts.delete(sorted(gone))
        self._texts.delete([_PLAN])
        self._texts.delete(pieces)

    def _plan(self, small: Mapping[str, str]) -> dict[str, list[Any]]:
        nothing: dict[str, list[Any]] = {"write": [], "delete": []}
        if _PLAN not in small:
            return nothing
        value = json.loads(small[_PLAN])
        if not (isinstance(value, dict) and LONG in value):
            return dict(value)
        pieces = self._texts.texts_of(value[LONG])
        if len(pieces) < len(value[LONG]):
            return nothing  # it was carried out meanwhile
        return dict(json.loads("".join(pieces[key] for key in value[LONG])))


class Changing:
    """The right to change the people of a store; see `PeopleStore.changing`.

    Attributes:
        store: Whose people they are.
        kept: What is kept now.
    """

    def __init__(self, store: PeopleStore, check: Callable[[], None]) -> None:
        self.store, self._check = store, check
        self.kept = store.kept()

    def commit(self, new: Kept) -> None:
        """Replace what is kept, as a whole: a kill leaves the old or the new."""
        self.store._commit(self.kept, new, self._check)
        self.kept = new

    def commit_features(
        self, new: Kept, feature_ids: Sequence[str], vectors: FloatArray, *, is_forgetting: bool
    ) -> bool:
        """Write features, replace what is kept, and delete the features that nothing refers to any more.

        Args:
            new: What is kept then.
            feature_ids: Of new features.
            vectors: Of each. Shape (len(feature_ids), d).
            is_forgetting: Whether what is deleted, and texts that were replaced, must be out of the database's files.

        Returns:
            Whether they are; False if a server removes them by its own schedule, or they need not be.
        """
        how = _ERASE if is_forgetting else _DELETE
        self._check()
        # Noted before the first write: whoever comes after a kill then deletes what came of it.
        self.store._texts.write_texts({_UNSWEPT: (_UNSWEPT, how)})
        self.store.write_vectors(feature_ids, vectors)
        replaced = _used(self.kept) - _used(new)
        self.commit(new)
        return self._sweep(sorted(replaced), how)

    def sweep_after_kill(self) -> None:
        """Delete what a killed `commit_features` left; all features are looked through for it."""
        noted = self.store._texts.texts_of([_UNSWEPT])
        how = noted.get(_UNSWEPT, self.kept.settings.get(_UNSWEPT))
        if how is not None:
            used = _used(self.kept)
            self._sweep([each for each in self.store._features.ids() if each not in used], how)

    def _sweep(self, unused: list[str], how: str) -> bool:
        features, is_gone = self.store._features, False
        if how == _ERASE:
            is_gone = all([features.erase(unused), self.store._texts.erase([])])
        else:
            features.delete(unused)
        self.commit(replace(self.kept, settings={k: v for k, v in self.kept.settings.items() if k != _UNSWEPT}))
        self.store._texts.delete([_UNSWEPT])
        return is_gone


def _used(kept: Kept) -> set[str]:
    of_centres = {each.feature_id for each in kept.centres.values()}
    return of_centres | {each.feature_id for each in kept.sightings.values()}
