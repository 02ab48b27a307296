"""Passwords cannot be guessed fast, and whoever knows the right one gets in meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

pytest.importorskip("gradio", reason="the extra app is not installed")

from iics.page import guesses
from iics.page.guesses import LONGEST_WAIT, WAITING_PER_LANE, Guesses, lane_of, wait_after

pytestmark = pytest.mark.usefixtures("own_loop")
WRONG, RIGHT = (lambda: False), (lambda: True)


@pytest.fixture
def faster(monkeypatch):
    """All waits a hundredth as long."""
    monkeypatch.setattr(guesses, "_BETWEEN_WRONG_ONES", 0.0025)
    monkeypatch.setattr(guesses, "wait_after", lambda number: wait_after(number) / 100)


def test_the_wait_grows_to_ten_seconds():
    assert [wait_after(number) for number in (1, 2, 3, 4, 5, 6, 7, 10**6)] == [1, 1, 1, 2, 4, 8, 10, 10]


def test_of_many_guesses_at_once_few_are_checked(faster):
    async def guess():
        door = Guesses()
        begun = time.monotonic()
        answers = await asyncio.gather(*(door.check("a", WRONG) for _ in range(300)))
        return Counter(answers), time.monotonic() - begun

    answers, seconds = asyncio.run(guess())
    # One is checked at once; then those that may wait; on a busy machine one or two that came after the first waits.
    assert answers.keys() == {"refused", "wrong"}
    assert 1 + WAITING_PER_LANE <= answers["wrong"] <= 5 + WAITING_PER_LANE
    assert seconds > sum(wait_after(number) for number in range(1, 1 + WAITING_PER_LANE)) / 100


def test_many_who_know_the_password_come_in_at_once(faster):
    async def come():
        door = Guesses()
        await door.check("a", WRONG)
        await asyncio.sleep(0.02)  # the lane's wait is over
        return Counter(await asyncio.gather(*(door.check("a", RIGHT) for _ in range(300))))

    assert asyncio.run(come()) == {"right": 300}


def test_after_a_flood_the_next_one_is_checked_next(faster):
    async def come_after_a_flood():
        door = Guesses()
        flood = [asyncio.create_task(door.check("a", WRONG)) for _ in range(300)]
        while sum(each.done() for each in flood) < 300 - WAITING_PER_LANE + 3:
            await asyncio.sleep(0.001)
        answer = await door.check("a", RIGHT)
        still_waiting = sum(not each.done() for each in flood)
        await asyncio.gather(*flood)
        return answer, still_waiting

    answer, still_waiting = asyncio.run(come_after_a_flood())
    assert answer == "right"
    assert still_waiting >= WAITING_PER_LANE - 5


@pytest.mark.parametrize("is_known", [False, True])
def test_while_others_guess_without_end_the_right_one_gets_in(faster, is_known):
    """The guessers: 20 addresses, 4 guesses of each at any time. Who comes has another address, or a browser."""

    async def come_meanwhile():
        door, is_over = Guesses(), asyncio.Event()

        async def guess(address):
            while not is_over.is_set():
                await door.check(address, WRONG)
                await asyncio.sleep(0)

        guessers = [asyncio.create_task(guess(f"10.0.0.{at % 20}")) for at in range(80)]
        await asyncio.sleep(0.3)
        begun = time.monotonic()
        answer = await asyncio.wait_for(door.check("own", RIGHT, is_known=is_known), 10)
        seconds = time.monotonic() - begun
        is_over.set()
        for guesser in guessers:
            guesser.cancel()
        await asyncio.gather(*guessers, return_exceptions=True)
        return answer, seconds

    answer, seconds = asyncio.run(come_meanwhile())
    assert answer == "right"
    assert seconds < 2  # 20 turns of 2.5 ms, on a machine that does other things as well


def test_all_lanes_together_hold_a_bounded_number(faster):
    async def guess():
        door = Guesses()
        answers = [asyncio.create_task(door.check(f"10.0.{at % 100}.1", WRONG)) for at in range(500)]
        await asyncio.sleep(0)
        waiting = sum(len(lane.waiting) for lane in door._lanes.values())
        for answer in answers:
            answer.cancel()
        await asyncio.gather(*answers, return_exceptions=True)
        return waiting

    assert asyncio.run(guess()) <= guesses.WAITING


def test_wrong_ones_are_forgotten_after_a_while(monkeypatch):
    async def guess():
        door = Guesses()
        await door.check("a", WRONG)
        door._lanes["a"].num_wrong, door._lanes["a"].free_at = 50, 0
        door._lanes["a"].wrong_at -= 901
        await door.check("a", WRONG)
        return door._lanes["a"]

    lane = asyncio.run(guess())
    assert lane.free_at - lane.wrong_at == 1 < LONGEST_WAIT


@pytest.mark.parametrize(
    ("address", "lane"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_a_network_of_ipv6_is_one_lane(address, lane):
    assert lane_of(address) == lane
