"""Commands that write, killed before every change of a file: the same command again does what it would have done.

Forgetting is killed likewise in tests/gallery/test_forgetting_interrupted.py, training in test_killed_runs.py.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from iics.model_settings import ModelSettings
from iics.models.reid_model import create_model

pytestmark = pytest.mark.slow
MOST_KILLS = int(os.environ.get("IICS_TEST_KILLS", "60")) // 4
"""Of each command, evenly spread over its changes of files."""
SECONDS_TO_WATCH = 20


@dataclass(frozen=True)
class Written:
    """A command that writes.

    Attributes:
        command: Its arguments, for a folder of its own.
        result: What it leaves there, to compare.
        go_on: The arguments of what is run after a kill.
        is_endless: Whether it has to be killed to end.
    """

    command: Callable[[Path], list]
    result: Callable[[Path], object]
    go_on: Callable[[Path], list] | None = None
    is_endless: bool = False


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    settings = ModelSettings(backbone="test_efficientnet", weights="none", height=64, width=32)
    file = tmp_path_factory.mktemp("model") / "model.safetensors"
    create_model(settings, device=torch.device("cpu")).save(file)
    return file


@pytest.fixture(scope="module")
def clip(drawn_people, tmp_path_factory):
    return drawn_people.write_clip(tmp_path_factory.mktemp("clip") / "short.mp4", [drawn_people.RED], num_frames=10)


@pytest.fixture(scope="module")
def written(commands, model, clip, folder_people, market_people):
    """The commands by name."""
    picture = next((market_people / "query").iterdir())

    def matches(folder):
        answer = commands.run("search", folder / "g.db", picture, "--json", "--top", 100, folder=folder)
        assert answer.code == 0, answer.end
        found = json.loads(answer.stdout)["matches"]
        # The database adds in another order where its files are cut otherwise: the last digits differ.
        return sorted((match["crop_id"], match["camera"], round(match["similarity"], 5)) for match in found)

    index = lambda folder: ["index", folder / "g.db", folder_people, "--model", model]  # noqa: E731
    crop = ["crop", clip, "--camera=lobby", "--detector=hog", "--min-height=85", "--out"]
    return {
        "index": Written(index, matches),
        "watch": Written(
            lambda folder: ["watch", folder_people, "--gallery", folder / "g.db", "--model", model, "--every", 0.1],
            matches,
            go_on=index,
            is_endless=True,
        ),
        "crop": Written(lambda folder: [*crop, folder / "crops"], lambda folder: all_bytes(folder / "crops")),
        "embed": Written(
            lambda folder: ["embed", model, folder_people, "--out", folder / "features.npz"],
            lambda folder: all_bytes(folder),
        ),
        "export": Written(
            lambda folder: ["export", model, "--out", folder / "m.onnx"], lambda folder: all_bytes(folder)
        ),
    }


def all_bytes(folder):
    """Return what every file holds, but locks, and what the harness and killed writers left beside."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.suffix not in (".lock", ".txt", ".tmp") and file.name != ".crops.lock"
    }


@pytest.mark.parametrize("name", ["index", "watch", "crop", "embed", "export"])
def test_killed_commands_are_finished_by_the_same_command(commands, written, tmp_path, outcomes, name):
    one = written[name]

    def run(folder, arguments, **order):
        return commands.run(*arguments(folder), folder=folder, watched=str(folder), **order)

    whole = tmp_path / "whole"
    whole.mkdir()
    endless = {"after_seconds": SECONDS_TO_WATCH} if one.is_endless else {}
    answer = run(whole, one.command, **endless)
    assert answer.code == (-9 if one.is_endless else 0), answer.end
    if one.is_endless:  # on a busy computer it may not be done by then
        answer_of_next = run(whole, one.go_on)
        assert answer_of_next.code == 0, answer_of_next.end
    changes, expected = answer.changes, one.result(whole)
    assert changes
    num_kills = min(MOST_KILLS, len(changes))
    for number in [1 + at * len(changes) // num_kills for at in range(num_kills)]:
        folder = tmp_path / f"kill {number}"
        folder.mkdir()
        what = f"{name}, before change {number}, {changes[number - 1]}"
        killed = run(folder, one.command, at_change=number, **endless)
        again = run(folder, one.go_on or one.command)
        try:
            assert killed.code == -9, killed.end
            assert again.code == 0, again.end
            assert one.result(folder) == expected
            outcomes.add(what, "finished by the next command")
        except AssertionError as error:
            outcomes.add(what, str(error)[:700], is_failure=True)
        shutil.rmtree(folder)
    outcomes.check(f"kills of iics {name}")
