import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from iics.evaluation.labels import EvaluationLabels


@pytest.fixture(scope="session")
def plain_ranking() -> ModuleType:
    """The slow, obviously right protocols of `reference_ranking.py`, loaded by path."""
    path = Path(__file__).with_name("reference_ranking.py")
    spec = importlib.util.spec_from_file_location("reference_ranking", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reference_ranking(plain_ranking):
    return plain_ranking.reference_ranking


@pytest.fixture
def random_labels():
    """Labels of 61 queries and 230 gallery crops by four cameras: junk, distractors, queries without a match."""

    def draw(seed: int) -> EvaluationLabels:
        generator = np.random.default_rng(seed)
        return EvaluationLabels(
            query_ids=generator.integers(1, 40, 61),
            gallery_ids=generator.integers(-1, 30, 230),
            query_cameras=generator.integers(0, 4, 61),
            gallery_cameras=generator.integers(0, 4, 230),
        )

    return draw


@pytest.fixture
def few_values():
    """Distances of 61 queries and 230 gallery crops with ties everywhere."""

    def draw(seed: int) -> np.ndarray:
        return np.random.default_rng(seed).integers(-12, 12, (61, 230)).astype(np.float32) / 8

    return draw
