"""People linked without labels, beside ways whose number is chosen on the labels.

Run: python benchmarks/people.py MODEL [sample | DATA_DIR]

The gallery of the sample, or of a copy of Market-1501 (`market-layout`, without tracklets), is embedded once and
centred. Crops of tracklets are linked as tracklets; single crops and junk take part, known identities are measured. The
rows "best" try every number and keep the one with the highest sum of pairwise and B-cubed F: what nobody without labels
can choose. At last the gallery comes in ten portions, by time or (without times) by lot.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from scipy.cluster.hierarchy import fcluster
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import DBSCAN

from iics.arrays import FloatArray, IntArray
from iics.clustering.average_linkage import linkage_in_place
from iics.crops import CropSet
from iics.labelling.units import linked
from iics.models.centre_choice import centre_features
from iics.models.reid_model import load_model
from iics.people.agreement import Agreement, agreement
from iics.people.link_rule import LinkRule, find_rule
from iics.people.linking import link
from iics.people.numbering import home_of_numbers
from iics.people.sightings import Sightings
from iics.readers.benchmarks import load_market_layout, load_sample
from iics.similarity.reranking import k_reciprocal_distance

K1, K2 = 20, 6  # of crops; of sightings, as many fewer as a sighting has crops
GROWTH = 1.5
NEAREST = 3


def main() -> None:
    model = load_model(sys.argv[1])
    data = sys.argv[2] if len(sys.argv) > 2 else "sample"
    crops = (load_sample() if data == "sample" else load_market_layout(data)).gallery
    assert crops is not None
    names = [crops.camera_names[camera] for camera in crops.camera_ids]
    plain = model.embed(crops)
    features, choice = centre_features(plain, names, means=model.camera_means, centre="on")
    units = linked(crops)
    sightings = sightings_of(crops, features, units)
    print(f"{len(crops):,} crops, {len(sightings):,} sightings, centred: {choice.is_centred}\n")
    print("| linked by | pairwise F | precision | recall | B-cubed F | precision | recall | IDF1 | people |")
    print("|---|---|---|---|---|---|---|---|---|")
    compare(crops, units, plain, features, sightings)
    print()
    portions(crops, units, sightings)


def compare(crops: CropSet, units: IntArray, plain: FloatArray, features: FloatArray, sightings: Sightings) -> None:
    every = np.arange(len(crops))
    for told, rows, of in (
        ("crops, plain", plain, every),
        ("crops", features, every),
        ("tracklets", sightings.features, units),
    ):
        if told == "tracklets" and len(sightings) == len(crops):
            continue
        distance = (1 - rows @ rows.T).clip(0).astype(np.float32)
        np.fill_diagonal(distance, 0)
        best(f"(a) one threshold, {told}, best", crops, of, components(distance))
        for fewest in (2, 4):
            best(f"(b) DBSCAN, at least {fewest}, {told}, best", crops, of, dense(distance, fewest))
        each = len(crops) / len(rows)
        k1, k2 = round(K1 / each), max(round(K2 / each), 1)
        reranked = k_reciprocal_distance(distance, k1=k1, k2=k2)
        best(f"(c) k-reciprocal, k1 {k1}, {told}, best", crops, of, components(reranked))
        best(f"k-reciprocal, k1 {k1}, average linkage, {told}, best", crops, of, cuts(reranked))
        best(f"cosine, average linkage, {told}, best", crops, of, cuts(distance))
    for wrong_links in (None, 0.1, 0.05, 0.02):
        found, seconds = timed_link(sightings, wrong_links)
        told = "" if wrong_links is None else f", --wrong-links {wrong_links}"
        row(f"**ours, no labels**{told} ({seconds:.1f} s)", measured(crops, found[units]))


def timed_link(sightings: Sightings, wrong_links: float | None) -> tuple[IntArray, float]:
    started = time.perf_counter()
    found = link(sightings, rule=find_rule(sightings, wrong_links=wrong_links))
    return found.labels, time.perf_counter() - started


def components(distance: FloatArray) -> Iterator[IntArray]:
    for threshold in np.arange(0.05, 1.0, 0.025):
        yield connected_components(distance <= threshold, directed=False)[1].astype(np.int64)


def dense(distance: FloatArray, fewest: int) -> Iterator[IntArray]:
    for eps in np.arange(0.05, 1.0, 0.025):
        found = DBSCAN(eps=eps, min_samples=fewest, metric="precomputed").fit_predict(distance)
        yield np.where(found < 0, len(found) + np.arange(len(found)), found)  # noise: each alone


def cuts(distance: FloatArray) -> Iterator[IntArray]:
    merges = linkage_in_place(np.ascontiguousarray(distance.copy()))
    for height in np.arange(0.05, 1.0, 0.01):
        yield fcluster(merges, height, "distance").astype(np.int64)


def best(told: str, crops: CropSet, of: IntArray, found: Iterable[IntArray]) -> None:
    every = [measured(crops, labels[of]) for labels in found]
    row(told, max(every, key=lambda each: each.pairwise_f + each.bcubed_f))


def measured(crops: CropSet, people: IntArray) -> Agreement:
    assert crops.identity_ids is not None
    return agreement(people, crops.identity_ids)


def row(told: str, found: Agreement) -> None:
    values = (found.pairwise_f, found.pairwise_precision, found.pairwise_recall)
    values += (found.bcubed_f, found.bcubed_precision, found.bcubed_recall, found.idf1)
    print(f"| {told} | {' | '.join(f'{100 * value:.1f}' for value in values)} | {found.num_people} |", flush=True)


def sightings_of(crops: CropSet, features: FloatArray, units: IntArray) -> Sightings:
    """Return the tracklets, and the crops without one, in the order of their numbers."""
    num = int(units.max()) + 1
    sums = np.zeros((num, features.shape[1]))
    np.add.at(sums, units, features)
    first_crops = np.unique(units, return_index=True)[1]
    first, last = np.full(num, np.nan), np.full(num, np.nan)
    if crops.times is not None:
        np.fmin.at(first, units, crops.times)
        np.fmax.at(last, units, crops.times)
    tracklets = np.full(len(crops), -1) if crops.tracklet_ids is None else crops.tracklet_ids
    keys = [f"t{tracklets[crop]}" if tracklets[crop] >= 0 else f"crop {crop}" for crop in first_crops]
    return Sightings(
        tuple(keys),
        (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32),
        crops.camera_names,
        crops.camera_ids[first_crops],
        first,
        last,
    )


def portions(crops: CropSet, units: IntArray, sightings: Sightings) -> None:
    """Print what ten portions come to, as `iics.people.update` brings people up to date: the near identities alone."""
    has_times = bool(np.isfinite(sightings.first).all())
    by_lot = np.random.default_rng(0).permutation(len(sightings))
    order = np.argsort(sightings.first, kind="stable") if has_times else by_lot
    people, known = np.full(len(sightings), -1), np.empty(0, np.int64)
    rule: LinkRule | None = None
    found_by, highest = 0, 0
    print("| portion | linked | s | pairwise F | B-cubed F | another number, merged | another number, split |")
    print("|---|---|---|---|---|---|---|")
    for number, new in enumerate(np.array_split(order, 10), start=1):
        started = time.perf_counter()
        old, known = known, np.sort(np.concatenate([known, new]))
        if rule is None or len(known) >= GROWTH * found_by:
            rule, found_by = find_rule(part(sightings, known)), len(known)
        rule = replace(rule, background=part(sightings, known))
        todo = np.sort(np.concatenate([new, near(sightings, people, old, new)]))
        before, was = people[todo], people.copy()
        labels = link(part(sightings, todo), rule=rule, initial=before).labels
        home = home_of_numbers(labels, before)
        names = {group: min(old for old, at in home.items() if at == group) for group in set(home.values())}
        for group in range(int(labels.max()) + 1):
            if group not in names:
                names[group], highest = highest, highest + 1
        people[todo] = [names[label] for label in labels.tolist()]
        seconds = time.perf_counter() - started
        merged = {old: names[group] for old, group in home.items()}
        is_split = np.array([people[at] != merged.get(was[at], was[at]) for at in old], dtype=np.bool_)
        is_moved = people[old] != was[old]
        result = measured(crops.subset(np.flatnonzero(np.isin(units, known))), people[units[np.isin(units, known)]])
        share = [100 * each.sum() / max(len(old), 1) for each in (is_moved & ~is_split, is_split)]
        print(
            f"| {number} | {len(todo)} | {seconds:.2f} | {100 * result.pairwise_f:.1f} | {100 * result.bcubed_f:.1f} | "
            f"{share[0]:.1f} % | {share[1]:.1f} % |",
            flush=True,
        )


def near(sightings: Sightings, people: IntArray, old: IntArray, new: IntArray) -> IntArray:
    """Return all sightings of the people that are among the nearest to a new one."""
    if len(old) == 0:
        return old
    most = min(NEAREST, len(old))
    similarity = sightings.features[new] @ sightings.features[old].T
    nearest = np.unique(np.argpartition(-similarity, most - 1, axis=1)[:, :most])
    return old[np.isin(people[old], people[old[nearest]])]


def part(sightings: Sightings, chosen: IntArray) -> Sightings:
    return Sightings(
        tuple(sightings.keys[at] for at in chosen),
        sightings.features[chosen],
        sightings.camera_names,
        sightings.camera_ids[chosen],
        sightings.first[chosen],
        sightings.last[chosen],
    )


if __name__ == "__main__":
    main()
