"""Passwords are checked one at a time, in turns of those who try: counted for each address and for all.

A lane is an address, or a browser that has logged in before. After a wrong password its lane waits: 1 s three times,
then 2, 4, 8, and 10 s each time. While it waits, at most 8 tries of the lane wait with it, and a newer one takes the
place of the oldest, which is refused unchecked: whoever tries after a flood of guesses is checked next, at most 10 s
later. All lanes together have four wrong passwords checked a second, a lane a turn, browsers that have logged in
before first: guesses from elsewhere cannot keep the rightful user out, they cost a quarter of a second for each
address that guesses.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

WAITING_PER_LANE = 8
WAITING_OF_THE_FREE = 64
"""In a lane that does not wait itself, but for others."""
WAITING = 256
LONGEST_WAIT = 10.0
_BETWEEN_WRONG_ONES = 0.25
_FORGOTTEN_AFTER = 900.0
_LANES_KEPT = 1024

Answer = Literal["right", "wrong", "refused"]


@dataclass(eq=False)
class _Try:
    is_right: Callable[[], bool]
    answer: asyncio.Future[Answer]


@dataclass(eq=False)
class _Lane:
    is_known: bool
    num_wrong: int = 0
    wrong_at: float = 0.0
    free_at: float = 0.0
    waiting: deque[_Try] = field(default_factory=deque)

    def was_wrong(self, now: float) -> None:
        self.num_wrong = 1 if now - self.wrong_at > _FORGOTTEN_AFTER else self.num_wrong + 1
        self.wrong_at, self.free_at = now, now + wait_after(self.num_wrong)


def wait_after(num_wrong: int) -> float:
    """Return the seconds that a lane waits after its n-th wrong password."""
    return float(min(2 ** max(0, min(num_wrong, 20) - 3), LONGEST_WAIT))


def lane_of(address: str) -> str:
    """Return what an address is counted by: itself, or its /64 network, as one machine has a whole one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(parsed.ipv4_mapped or ipaddress.ip_network((int(parsed), 64), strict=False))


class Guesses:
    """The door: tries wait at it in lanes, and are let through to be checked."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()  # the one that was served longest ago first
        self._free_at = 0.0  # after the last wrong password of any lane
        self._news = asyncio.Event()
        self._door: asyncio.Task[None] | None = None

    async def check(self, lane_name: str, is_right: Callable[[], bool], *, is_known: bool = False) -> Answer:
        """Return whether a try is right, when its turn comes; or that it was refused unchecked.

        Args:
            lane_name: Whom it is counted for.
            is_right: Compares the password.
            is_known: Whether the lane is a browser that has logged in before.
        """
        lane = self._lane(lane_name, is_known)
        if max(lane.free_at, self._free_at) <= time.monotonic() and not any(each.waiting for each in self._due()):
            return self._answer_of(lane, is_right)  # so many who know the password come in at once
        attempt = _Try(is_right, asyncio.get_running_loop().create_future())
        lane.waiting.append(attempt)
        self._refuse_what_is_too_much(lane)
        self._news.set()
        if self._door is None or self._door.done():
            self._door = asyncio.create_task(self._serve())
        return await attempt.answer

    def _lane(self, name: str, is_known: bool) -> _Lane:
        if name not in self._lanes:
            if len(self._lanes) >= _LANES_KEPT:
                idle = next((other for other, lane in self._lanes.items() if not lane.waiting), None)
                self._lanes.pop(idle or next(iter(self._lanes)))
            self._lanes[name] = _Lane(is_known)
        return self._lanes[name]

    def _refuse_what_is_too_much(self, lane: _Lane) -> None:
        lanes = self._lanes.values()
        if len(lane.waiting) > (WAITING_PER_LANE if lane.free_at > time.monotonic() else WAITING_OF_THE_FREE):
            _answer(lane.waiting.popleft(), "refused")
        elif sum(len(each.waiting) for each in lanes) > WAITING:
            _answer(max(lanes, key=lambda each: len(each.waiting)).waiting.popleft(), "refused")

    def _due(self) -> list[_Lane]:
        """Return the lanes with tries that need not wait, the one that was served longest ago first."""
        now = time.monotonic()
        return [lane for lane in self._lanes.values() if lane.waiting and lane.free_at <= now]

    def _answer_of(self, lane: _Lane, is_right: Callable[[], bool]) -> Answer:
        if is_right():
            return "right"
        now = time.monotonic()
        lane.was_wrong(now)
        self._free_at = now + _BETWEEN_WRONG_ONES
        while len(lane.waiting) > WAITING_PER_LANE:
            _answer(lane.waiting.popleft(), "refused")
        return "wrong"

    async def _serve(self) -> None:
        """Check what waits, until nothing does."""
        while any(lane.waiting for lane in self._lanes.values()):
            await asyncio.sleep(max(0.0, self._free_at - time.monotonic()))
            due = self._due()
            if due:
                lane = next((each for each in due if each.is_known), due[0])
                self._lanes.move_to_end(next(name for name, each in self._lanes.items() if each is lane))
                attempt = lane.waiting.pop()  # the newest
                _answer(attempt, self._answer_of(lane, attempt.is_right))
            elif waiting := [lane.free_at for lane in self._lanes.values() if lane.waiting]:
                self._news.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), max(0.0, min(waiting) - time.monotonic()))


def _answer(attempt: _Try, answer: Answer) -> None:
    if not attempt.answer.done():
        attempt.answer.set_result(answer)
