"""Which records a run's loggers are given, over sessions and faults."""

import json
from dataclasses import replace

import pytest

from iics.config import Settings
from iics.errors import RunFolderError
from iics.runs.loggers import LOGGERS
from iics.runs.run_log import RunLog

SETTINGS = Settings(loggers=("tensorboard", "wandb"))


class Recorder:
    """Stands for a logger: remembers what it is told, fails where it shall."""

    def __init__(self, name):
        self.name, self.run_id, self.last_round = name, None, -1
        self.knows_its_rounds = False
        self.starts, self.rounds, self.ends = [], [], []
        self.fails_in = set()

    def open(self, start):
        self._fail_in("open")
        self.starts.append((start.run_id, start.last_round))
        self.last_round = self.rounds[-1] if self.knows_its_rounds else start.last_round
        self.run_id = start.run_id or f"{self.name}-1"
        return self

    def log_round(self, record):
        self._fail_in(record.number)
        self.rounds.append(record.number)

    def close(self, *, is_finished):
        self._fail_in("close")
        self.ends.append(is_finished)

    def _fail_in(self, place):
        if place in self.fails_in:
            raise ConnectionError("the line is dead")


@pytest.fixture
def board(monkeypatch):
    recorder = Recorder("board")
    monkeypatch.setitem(LOGGERS, "tensorboard", recorder.open)
    return recorder


@pytest.fixture
def service(monkeypatch):
    recorder = Recorder("service")
    monkeypatch.setitem(LOGGERS, "wandb", recorder.open)
    return recorder


def history(num_rounds):
    return [json.dumps({"round": number}) for number in range(num_rounds)]


def session(folder, *num_rounds, settings=SETTINGS):
    with RunLog(folder, settings) as log:
        for number in num_rounds:
            log.log_new(history(number))


def test_each_round_is_given_once(board, service, tmp_path):
    session(tmp_path, 1, 2, 2, 4)
    assert board.rounds == service.rounds == [0, 1, 2, 3]
    assert board.ends == service.ends == [True]


def test_resumed_run_goes_on_under_its_id_after_the_last_round(board, service, tmp_path):
    session(tmp_path, 2)
    session(tmp_path, 1, 3)  # replayed from a checkpoint: round 1 comes again
    assert service.rounds == [0, 1, 2]
    assert service.starts == [(None, -1), ("service-1", 1)]


@pytest.mark.parametrize("remembered", [0, 2])
def test_what_a_logger_holds_counts_and_not_what_is_remembered(board, service, tmp_path, remembered):
    session(tmp_path, 2)
    state = {"wandb": {"run_id": "service-1", "last_round": remembered}}  # a kill came early, or before the upload
    (tmp_path / "loggers.json").write_text(json.dumps(state))
    service.knows_its_rounds = True
    session(tmp_path, 4)
    assert service.rounds == [0, 1, 2, 3]


def test_run_id_is_kept_before_any_round_is_done(board, service, tmp_path):
    session(tmp_path)
    assert json.loads((tmp_path / "loggers.json").read_text())["wandb"] == {"run_id": "service-1", "last_round": -1}


def test_logger_that_fails_is_left_out_and_catches_up_when_resumed(board, service, tmp_path, caplog):
    service.fails_in = {1}
    session(tmp_path, 1, 2, 3)
    assert (board.rounds, service.rounds) == ([0, 1, 2], [0])
    assert (board.ends, service.ends) == ([True], [])
    assert caplog.messages == [
        "Logger wandb failed in round 1 and is left out (ConnectionError: the line is dead). Training goes on; "
        f"metrics.jsonl has every round, and iics train --resume {tmp_path} gives the logger what it missed."
    ]
    service.fails_in = set()
    session(tmp_path, 3, 4)
    assert (board.rounds, service.rounds) == ([0, 1, 2, 3], [0, 1, 2, 3])


def test_logger_that_cannot_be_opened_is_left_out(board, service, tmp_path, caplog):
    service.fails_in = {"open"}
    session(tmp_path, 2)
    assert (board.rounds, service.rounds) == ([0, 1], [])
    assert [message.split(" (")[0] for message in caplog.messages] == [
        "Logger wandb could not be opened and is left out"
    ]


def test_logger_that_cannot_be_closed_keeps_no_other_from_it(board, service, tmp_path, caplog):
    board.fails_in = {"close"}
    session(tmp_path, 1)
    assert service.ends == [True]
    assert len(caplog.messages) == 1


def test_interrupt_closes_loggers_as_not_finished(board, service, tmp_path):
    with pytest.raises(KeyboardInterrupt), RunLog(tmp_path, SETTINGS):
        raise KeyboardInterrupt
    assert board.ends == service.ends == [False]


def test_interrupt_within_a_logger_is_no_fault_of_the_logger(board, service, tmp_path, monkeypatch):
    def interrupt(record):
        raise KeyboardInterrupt

    monkeypatch.setattr(board, "log_round", interrupt)
    with pytest.raises(KeyboardInterrupt):
        session(tmp_path, 1)
    assert board.ends == service.ends == [False]


def test_no_logger_leaves_no_file(tmp_path):
    session(tmp_path, 2, settings=replace(SETTINGS, loggers=()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"wandb": {"name": 3}}', '{"wandb": 3}', '{"wandb": {"last_round": "2"}}', '{"wandb": {"run_id": 7}}'],
)
def test_unreadable_state_is_refused(tmp_path, text):
    (tmp_path / "loggers.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"loggers\.json .*\. Delete it to log all rounds anew\."):
        RunLog(tmp_path, SETTINGS)
