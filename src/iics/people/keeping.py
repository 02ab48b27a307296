"""How many days crops are kept: a limit that stands in the gallery, and holds for all who look for its people."""

from __future__ import annotations

from iics.people.store import PeopleStore

_SETTING = "keep_days"


def kept_days(store: PeopleStore) -> float | None:
    """Return the limit of a gallery, None if it has none."""
    days = store.kept().settings.get(_SETTING)
    return None if days is None else float(days)


def keep_for(store: PeopleStore, days: float) -> None:
    """Set the limit of a gallery; 0 ends it. Nothing is deleted by that alone (`iics.people.forgetting`).

    Raises:
        PeopleError: If another process changes these people.
    """
    limit = days or None
    if kept_days(store) == limit:
        return
    with store.changing("given a limit of days") as changing:
        changing.commit(changing.kept.with_setting(_SETTING, limit))
