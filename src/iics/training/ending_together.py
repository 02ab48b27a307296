"""When one of several processes fails or dies, the others end too, and say why.

Each process keeps a heartbeat and, if it fails, its message in the store that torchrun keeps for the run; a thread of
each looks for those of the others. So a process ends even while it waits for one that will never answer.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from typing import Any

from torch.distributed import DistError, PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from iics.errors import IicsError

EXIT_FAILED_ELSEWHERE = 3
_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_UNTIL_DEAD = 30.0  # of silence; a process that computes still has a thread that speaks
_SECONDS_TO_FIND_THE_REASON = 6.0
_FINISHED = "finished"


def launched_by_torchrun() -> bool:
    """Return whether this process is one of several that torchrun started."""
    return "MASTER_ADDR" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


class Watch:
    """One process's eye on the others.

    Args:
        store: Shared by all processes, kept alive by none of them.
        rank: Of this process.
        count: Number of processes.
        seconds_until_dead: Silence after which a process counts as dead.
    """

    def __init__(self, store: Store, *, rank: int, count: int, seconds_until_dead: float = _SECONDS_UNTIL_DEAD) -> None:
        self._store, self._rank, self._count = store, rank, count
        self._seconds_until_dead = seconds_until_dead
        self._stop = threading.Event()
        self._handler_before: Any = None
        self._seen: dict[int, tuple[str, float]] = {}
        self._thread = threading.Thread(target=self._look_on, daemon=True, name="iics-watch")

    @classmethod
    def start(cls) -> Watch:
        """Watch over the processes of this run from now on."""
        master = TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=_hosts_the_store(),
            wait_for_workers=False,
        )
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        watch = cls(
            PrefixStore(f"iics/{attempt}", master),
            rank=int(os.environ["RANK"]),
            count=int(os.environ["WORLD_SIZE"]),
        )
        watch._thread.start()
        if threading.current_thread() is threading.main_thread():
            watch._handler_before = signal.signal(signal.SIGTERM, watch._ended_by_launcher)
        return watch

    def finish(self) -> None:
        """Stop watching: all is done."""
        self._stop_looking()
        if self._handler_before is not None:
            signal.signal(signal.SIGTERM, self._handler_before)
        self._store.set(f"beat/{self._rank}", _FINISHED)

    def report(self, error: BaseException) -> None:
        """Tell the others why this process ends; if it ends because of another, say so and exit instead.

        A process that finds a connection closed is told by the store, or by a silence, whose end it was.
        """
        if is_lost_connection(error):
            self._end(self._found_reason() or f"Another process was lost ({str(error).splitlines()[0]}).")
        self._stop_looking()
        text = str(error) if isinstance(error, IicsError) else f"{type(error).__name__}: {error}".rstrip(": ")
        self._store.set("failure", f"{self._rank}\n{socket.gethostname()}\n{text}")

    def _stop_looking(self) -> None:
        """End the thread, and wait for it.

        A thread that is in the store's compiled code while Python ends takes the whole process down by SIGABRT, after
        all work was done. It is never there for long, unless the store does not answer any more.
        """
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_SECONDS_TO_FIND_THE_REASON)

    def _ended_by_launcher(self, *_: object) -> None:
        """When one process ends, torchrun ends the others on its machine."""
        self._end(self._found_reason() or "Its launcher has ended it.")

    def _found_reason(self) -> str | None:
        deadline = time.monotonic() + _SECONDS_TO_FIND_THE_REASON
        while time.monotonic() < deadline:
            reason = self._reason(silence=3 * _SECONDS_BETWEEN_LOOKS)
            if reason is not None:
                return reason
            time.sleep(_SECONDS_BETWEEN_LOOKS / 2)
        return None

    def _look_on(self) -> None:
        beat = 0
        while not self._stop.wait(_SECONDS_BETWEEN_LOOKS):
            beat += 1
            try:
                self._store.set(f"beat/{self._rank}", str(beat))
                reason = self._reason(silence=self._seconds_until_dead)
            except (RuntimeError, DistError):
                reason = "The store of the run is gone: its launcher (torchrun) has ended."
            if reason is not None and not self._stop.is_set():
                self._end(reason)

    def _reason(self, *, silence: float) -> str | None:
        """Return why the run is over, None if it goes on."""
        if self._store.check(["failure"]):
            rank, host, text = self._store.get("failure").decode().split("\n", 2)
            if int(rank) != self._rank:
                return f"Process {rank} on {host} stopped: {text}"
        now = time.monotonic()
        for other in range(self._count):
            key = f"beat/{other}"
            if other == self._rank or not self._store.check([key]):
                continue
            beat = self._store.get(key).decode()
            known, since = self._seen.get(other, ("", now))
            if beat != known:
                self._seen[other] = (beat, now)
            elif beat != _FINISHED and now - since > silence:
                return (
                    f"Process {other} was killed, or its machine was lost: it has been silent for {now - since:.0f} s."
                )
        return None

    def _end(self, reason: str) -> None:
        sys.stderr.write(f"iics: process {self._rank} ends. {reason}\n")  # logging may be what it waits for
        sys.stderr.flush()
        os._exit(EXIT_FAILED_ELSEWHERE)


def is_lost_connection(error: BaseException) -> bool:
    """Return whether an error says that another process did not answer."""
    if isinstance(error, DistError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        word in text
        for word in ("connection closed by peer", "connection reset", "gloo", "nccl", "socket", "broken pipe")
    )


def _hosts_the_store() -> bool:
    """Return whether this process keeps the store; under torchrun its launcher does."""
    is_launchers = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return not is_launchers and os.environ["RANK"] == "0"
