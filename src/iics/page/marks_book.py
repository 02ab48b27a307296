"""The file of marks at work: looked up, added to and replaced by several people and processes at once.

The whole file is written anew at each mark, atomically and under a lock: it is never half a line, and never holds a
pair twice.
"""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from iics.atomic import write_atomically
from iics.errors import WriteError
from iics.evaluation.marks import Mark, Verdict, marks_table, read_marks


class MarksBook:
    """A file of marks.

    Args:
        file: Where; made with the first mark.

    Raises:
        DataError: If there is a file that is no table of marks.
        WriteError: If it has no folder to be in.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        if not file.absolute().parent.is_dir():
            raise WriteError(f"There is no folder {file.absolute().parent} to write {file.name} into.")
        self._lock = FileLock(file.with_name(f"{file.name}.lock"))
        self.marks()

    def marks(self) -> tuple[Mark, ...]:
        """Return all marks.

        Raises:
            DataError: If the file is damaged.
        """
        return read_marks(self.file) if self.file.exists() else ()

    def verdicts(self, query: str, model: str) -> dict[str, Verdict]:
        """Return what was said of matches of a query, by crop.

        Raises:
            DataError: If the file is damaged.
        """
        return {mark.crop_id: mark.verdict for mark in self.marks() if (mark.query, mark.model) == (query, model)}

    def put(self, mark: Mark) -> None:
        """Add a mark; one of the same pair is replaced.

        Raises:
            DataError: If the file is damaged or a field of the mark cannot be kept; nothing is written then.
            WriteError: If it cannot be written.
        """
        self._rewrite(mark.pair, mark)

    def remove(self, pair: tuple[str, str, str]) -> None:
        """Take the mark of a pair back, if there is one.

        Raises:
            DataError: If the file is damaged; nothing is written then.
            WriteError: If it cannot be written.
        """
        self._rewrite(pair, None)

    def _rewrite(self, pair: tuple[str, str, str], mark: Mark | None) -> None:
        try:
            self._lock.acquire()
        except OSError as error:
            raise WriteError(f"Cannot lock {self.file}: {error.strerror or error}.") from error
        try:
            kept = [other for other in self.marks() if other.pair != pair]
            write_atomically(self.file, marks_table([*kept, *([] if mark is None else [mark])]))
        finally:
            self._lock.release()
