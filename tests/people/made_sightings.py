"""Made-up sightings: people at random directions, seen with noise, each some times by three cameras."""

from __future__ import annotations

import numpy as np

from iics.people.sightings import Sightings

CAMERAS = ("door", "hall", "yard")


def sightings_of(
    features: np.ndarray,
    *,
    cameras: np.ndarray | None = None,
    first: np.ndarray | None = None,
    last: np.ndarray | None = None,
    keys: tuple[str, ...] | None = None,
) -> Sightings:
    num = len(features)
    unknown = np.full(num, np.nan)
    return Sightings(
        tuple(f"t{at}" for at in range(num)) if keys is None else keys,
        (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32),
        CAMERAS,
        np.arange(num) % 3 if cameras is None else cameras,
        unknown if first is None else first,
        unknown if last is None else last,
    )


def who_is_seen(num_people: int = 30, times: int = 6) -> np.ndarray:
    """Return who is on each sighting of `seen_people`, from 1."""
    return np.random.default_rng(0).permutation(np.repeat(np.arange(num_people), times)) + 1


def seen_people(num_people: int = 30, times: int = 6, *, noise: float = 0.8) -> Sightings:
    """Return sightings of people, in mixed order; noise is the length of what is not the person."""
    of, generator = who_is_seen(num_people, times) - 1, np.random.default_rng(1)
    people = generator.standard_normal((num_people, 64))
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    other = generator.standard_normal((len(of), 64))
    other *= noise / np.linalg.norm(other, axis=1, keepdims=True)
    return sightings_of(people[of] + other)
