"""What is made of malformed input: it is read, or refused in one sentence; a traceback or a hang fails."""

from __future__ import annotations

import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iics.errors import IicsError

SECONDS = 30.0


class HangError(BaseException):
    """A reader is not done in time; no error that a reader takes for one of a file system."""


class Answers:
    """Asks a reader for malformed input and counts what comes. State: the counts."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.tracebacks: list[str] = []

    def ask(self, read: Callable[[], Any], *, names: Path | str | None = None) -> str:
        """Return the sentence that refused the input, "" if it was read.

        Args:
            read: Reads it.
            names: What the sentence must name.
        """
        self.counts["inputs"] += 1
        try:
            with _within(SECONDS):
                read()
        except IicsError as error:
            sentence = str(error)
        except BaseException as error:
            self.counts["hangs" if isinstance(error, HangError) else "tracebacks"] += 1
            self.tracebacks.append(repr(error)[:300])
            raise
        else:
            self.counts["rightly read"] += 1
            return ""
        assert len(sentence.splitlines()) == 1
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u202a-\u202e\ud800-\udfff]", sentence), sentence
        assert names is None or str(names) in sentence, f"{names} is not named: {sentence}"
        self.counts["sentences"] += 1
        return sentence

    def __str__(self) -> str:
        kinds = ("inputs", "sentences", "rightly read", "tracebacks", "hangs")
        return ", ".join(f"{self.counts[kind]} {kind}" for kind in kinds)


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise HangError(f"not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def told(answers: Answers, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Iterator[Answers]:
    """Answers whose counts are printed at the end, past pytest's capture."""
    yield answers
    with capsys.disabled():
        sys.stdout.write(f"\n{request.node.name}: {answers}\n")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pictures a.png and b.jpg."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg"):
        Image.fromarray(rng.integers(0, 256, (32, 16, 3), dtype=np.uint8)).save(folder / name)
    return folder
