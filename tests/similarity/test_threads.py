"""numba and torch on the same cores."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import numpy as np, torch
from iics.similarity.reranking import k_reciprocal_distance
before = torch.get_num_threads()
k_reciprocal_distance(1 - np.eye(4, dtype=np.float32))
print(before, torch.get_num_threads())
"""


def test_reranking_leaves_torch_its_number_of_threads():
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]
