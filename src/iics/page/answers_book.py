"""The table of answers at work: drawn once, filled in by several windows at once, gone on with later.

The whole file is written anew at each answer, atomically and under a lock, as marks are.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from iics.atomic import write_atomically
from iics.errors import SettingsError, WriteError
from iics.evaluation.answers import AskedPair, Said, answers_table, read_answers

if TYPE_CHECKING:
    from collections.abc import Iterator


class AnswersBook:
    """A file of answers.

    Args:
        file: Where.

    Raises:
        WriteError: If it has no folder to be in.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        if not file.absolute().parent.is_dir():
            raise WriteError(f"There is no folder {file.absolute().parent} to write {file.name} into.")
        self._lock = FileLock(file.with_name(f".{file.name}.lock"))

    def draw(self, pairs: Iterable[AskedPair]) -> None:
        """Write a new table.

        Raises:
            WriteError: If it cannot be written.
        """
        with self._locked():
            write_atomically(self.file, answers_table(pairs))

    def pairs(self) -> tuple[AskedPair, ...]:
        """Return all pairs with their answers.

        Raises:
            DataError: If the file is missing or damaged.
        """
        return read_answers(self.file)

    def answer(self, number: int, said: Said) -> None:
        """Keep an answer to a pair, and to the same two crops if they were drawn twice.

        Raises:
            SettingsError: If there is no such pair.
            DataError: If the file is damaged; nothing is written then.
            WriteError: If it cannot be written.
        """
        now = datetime.datetime.now(datetime.UTC).isoformat() if said else ""

        def answered(pairs: Sequence[AskedPair]) -> list[AskedPair]:
            asked = next((pair for pair in pairs if pair.pair == number), None)
            if asked is None:
                raise SettingsError(f"There are pairs 1 to {len(pairs)}, got {number}.")
            return [
                replace(pair, answer=said, answered_at=now) if pair.crops == asked.crops else pair for pair in pairs
            ]

        self._rewrite(answered)

    def take_back(self) -> int | None:
        """Take the latest answer back; return the number of its pair, None if there is no answer.

        Raises:
            DataError: If the file is damaged.
            WriteError: If it cannot be written.
        """
        given = [pair for pair in self.pairs() if pair.answer]
        if not given:
            return None
        latest = max(given, key=lambda pair: pair.answered_at).pair
        self.answer(latest, "")
        return latest

    def _rewrite(self, change: Callable[[Sequence[AskedPair]], Sequence[AskedPair]]) -> None:
        with self._locked():
            write_atomically(self.file, answers_table(change(self.pairs())))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._lock.acquire()
        except OSError as error:
            raise WriteError(f"Cannot lock {self.file}: {error.strerror or error}.") from error
        try:
            yield
        finally:
            self._lock.release()
