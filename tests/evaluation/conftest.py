import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference_ranking():
    path = Path(__file__).with_name("reference_ranking.py")
    spec = importlib.util.spec_from_file_location("reference_ranking", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.reference_ranking
