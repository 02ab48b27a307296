"""A run's loggers: each gets every round's record once, however often the run is stopped and resumed.

loggers.json in the run folder names, for each logger, its run at the service and the last round it was given. Records
come from metrics.jsonl, the record of truth, so that a logger that failed gets what it missed when the run is resumed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType

from iics.atomic import write_atomically
from iics.config import LoggerName, Settings
from iics.errors import RunFolderError
from iics.runs.loggers import LOGGERS, LoggerStart, RunLogger
from iics.runs.record import RoundRecord
from iics.runs.run_files import read_json

logger = logging.getLogger(__name__)

STATE_FILE = "loggers.json"
_WAY_OUT = "Delete it to log all rounds anew."
_BEFORE_ANY_ROUND = -1


@dataclass(frozen=True)
class LoggerState:
    """What is remembered of a logger between one start of a run and the next.

    Attributes:
        run_id: The run's name at the service; None if it needs none or was never opened.
        last_round: Last round it was given; -1 before any.
    """

    run_id: str | None = None
    last_round: int = _BEFORE_ANY_ROUND


class RunLog:
    """The open loggers of a run, and what they were given. A context: leaving it closes them.

    Args:
        folder: The run folder.
        settings: Of the run; `loggers` names them.

    Raises:
        RunFolderError: If loggers.json cannot be read.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder, self._settings = folder, settings
        self._states = _read_states(folder / STATE_FILE)
        self._open: dict[LoggerName, RunLogger] = {}

    def __enter__(self) -> RunLog:
        for name in self._settings.loggers:
            state = self._states.setdefault(name, LoggerState())
            start = LoggerStart(self._folder, self._settings, state.run_id, state.last_round)
            try:
                self._open[name] = LOGGERS[name](start)
            except Exception as error:  # another's package and another's server: any fault, and none may end a run
                self._give_up(name, error, when="could not be opened")
            else:
                self._states[name] = LoggerState(self._open[name].run_id, self._open[name].last_round)
        self._write_states()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for name, opened in list(self._open.items()):
            self._try(name, partial(opened.close, is_finished=kind is None), when="could not be closed")
        self._open.clear()

    def log_new(self, history: Sequence[str]) -> None:
        """Give each logger the records that it has not had.

        Args:
            history: Lines of metrics.jsonl, of all rounds so far.

        Raises:
            WriteError: If loggers.json cannot be written.
        """
        for line in history:
            record = RoundRecord.of(json.loads(line))
            number = record.number
            for name, opened in list(self._open.items()):
                if number <= self._states[name].last_round:
                    continue
                if self._try(name, partial(opened.log_round, record), when=f"failed in round {number}"):
                    self._states[name] = replace(self._states[name], last_round=number)
                    self._write_states()

    def _try(self, name: LoggerName, action: Callable[[], None], *, when: str) -> bool:
        try:
            action()
        except Exception as error:  # as when opening
            self._give_up(name, error, when=when)
            return False
        return True

    def _give_up(self, name: LoggerName, error: Exception, *, when: str) -> None:
        self._open.pop(name, None)
        logger.warning(
            "Logger %s %s and is left out (%s: %s). Training goes on; metrics.jsonl has every round, and iics train "
            "--resume %s gives the logger what it missed.",
            name,
            when,
            type(error).__name__,
            str(error).strip(),
            self._folder,
        )

    def _write_states(self) -> None:
        if self._settings.loggers:
            states = {name: asdict(state) for name, state in self._states.items()}
            write_atomically(self._folder / STATE_FILE, json.dumps(states, indent=2) + "\n")


def _read_states(file: Path) -> dict[str, LoggerState]:
    if not file.exists():
        return {}
    states = {}
    for name, state in read_json(file, way_out=_WAY_OUT).items():
        if not isinstance(state, dict) or not state.keys() <= {"run_id", "last_round"}:
            raise RunFolderError(f"{file} is damaged: {name} must hold run_id and last_round. {_WAY_OUT}")
        states[name] = LoggerState(**state)
        is_round = isinstance(states[name].last_round, int) and states[name].last_round >= _BEFORE_ANY_ROUND
        if not is_round or not isinstance(states[name].run_id, str | None):
            raise RunFolderError(
                f"{file} is damaged: {name} must hold the name of a run and the number of a round, got {state!r:.80}. "
                f"{_WAY_OUT}"
            )
    return states
