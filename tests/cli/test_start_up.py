"""What commands import and do until their first answer; nothing here is timed."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from iics import __main__

# A model written, read and used, with all that `iics search`, `index`, `embed` and `evaluate` import for it.
PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import iics.cli.embed, iics.cli.evaluate, iics.cli.index, iics.cli.search
import iics.evaluation.evaluate
import iics.gallery.gallery, iics.gallery.indexing
from iics.models.reid_model import create_model, load_model
from iics.presets import SAMPLE

file = Path(sys.argv[1]) / "model.safetensors"
settings = replace(SAMPLE.model, weights="none", height=64, width=32)
create_model(settings, device=torch.device("cpu")).save(file)
before = torch.get_rng_state()
model = load_model(file)
assert torch.equal(torch.get_rng_state(), before), "loading drew random weights"
assert model.embed(np.zeros((1, 64, 32, 3), np.uint8)).shape == (1, model.num_features)
unneeded = {"torch._dynamo", "sympy", "scipy.stats", "sklearn", "matplotlib", "pandas", "tensorboard", "gradio", "onnx"}
print(*sorted(unneeded & sys.modules.keys()))
"""


def test_searching_imports_neither_the_compiler_nor_what_draws_or_does_statistics(tmp_path):
    done = subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize(("command", "looks_seldom"), [("search", True), ("train", False)])
def test_short_commands_look_for_garbage_seldom_and_training_as_python_does(monkeypatch, capsys, command, looks_seldom):
    set_to = []
    monkeypatch.setattr(gc, "set_threshold", lambda *numbers: set_to.append(numbers))
    monkeypatch.setattr(sys, "argv", ["iics", command, "--help"])
    with pytest.raises(SystemExit):
        __main__.main()
    assert bool(set_to) == looks_seldom
    assert "usage" in capsys.readouterr().out
