"""Forms of a model side by side."""

from dataclasses import replace

import numpy as np
import pytest

from iics.export.comparison import compare_forms


class MeanColour:
    """Features a test can check: the mean colour, turned by an angle in its first two numbers."""

    def __init__(self, degrees=0.0):
        self.turn = np.radians(degrees)

    def embed(self, pixels, *, batch_size):
        colours = pixels.mean(axis=(1, 2))
        colours /= np.linalg.norm(colours, axis=1, keepdims=True)
        red, green, blue = colours.T
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return np.stack([cos * red - sin * green, sin * red + cos * green, blue], axis=1).astype(np.float32)


FORMS = {"first": MeanColour(), "turned": MeanColour(90)}


def test_forms_are_compared_with_the_first(people):
    first, turned = compare_forms(FORMS, people, height=64, width=32)
    assert (first.name, turned.name) == ("first", "turned")
    assert first.mean_cosine == pytest.approx(1)
    assert turned.least_cosine <= turned.mean_cosine < 0.9
    assert min(first.single_per_second, first.batch_per_second, turned.single_per_second) > 0


def test_a_turn_of_all_features_changes_no_ranking(people):
    first, turned = compare_forms(FORMS, people, height=64, width=32)
    assert 0 < first.mean_ap == pytest.approx(turned.mean_ap)
    assert first.rank1 == turned.rank1


def test_without_query_the_training_crops_are_compared_and_there_is_no_map(people):
    counts = []
    (only,) = compare_forms(
        {"first": MeanColour()}, replace(people, query=None, gallery=None), height=64, width=32, progress=counts.append
    )
    assert (only.mean_ap, only.rank1) == (None, None)
    assert sum(counts) == len(people.train)
