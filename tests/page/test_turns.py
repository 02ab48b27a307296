"""Work is done in turns of the visitors, one piece at a time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from iics.page.turns import Turns
from iics.page.visitors import Visitor

pytestmark = pytest.mark.usefixtures("own_loop")


def visitor(name):
    return Visitor(name, "127.0.0.1")


def order_of(asked):
    """Return in which order work is done that was asked for, as (visitor, window), while the worker was busy."""
    done, begun, go = [], threading.Event(), threading.Event()

    def block():
        begun.set()
        go.wait(30)

    async def ask():
        turns = Turns()
        first = asyncio.create_task(turns.take(visitor("first"), "w", block))
        await asyncio.to_thread(begun.wait, 30)
        rest = [
            asyncio.create_task(turns.take(visitor(who), window, lambda at=(who, window): done.append(at)))
            for who, window in asked
        ]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(first, *rest)

    asyncio.run(ask())
    return done


def test_who_asks_for_much_waits_for_who_asks_for_little():
    assert [who for who, _ in order_of([("greedy", "w")] * 5 + [("a", "w"), ("b", "w"), ("a", "w")])] == [
        *("greedy", "a", "b"),
        *("greedy", "a"),
        *("greedy", "greedy", "greedy"),
    ]


def test_many_windows_of_a_visitor_take_turns_with_each_other_alone():
    asked = [("greedy", f"w{at}") for at in range(3)] + [("greedy", "w0"), ("a", "w")]
    assert order_of(asked) == [("greedy", "w0"), ("a", "w"), ("greedy", "w1"), ("greedy", "w2"), ("greedy", "w0")]


def test_what_goes_wrong_is_told_and_the_next_one_begins():
    async def ask():
        turns = Turns()
        with pytest.raises(ZeroDivisionError):
            await turns.take(visitor("a"), "w", lambda: 1 / 0)
        return await turns.take(visitor("a"), "w", lambda: "done")

    assert asyncio.run(ask()) == "done"


def test_who_leaves_the_queue_holds_nobody_up():
    async def ask():
        turns, begun, go = Turns(), threading.Event(), threading.Event()
        busy = asyncio.create_task(turns.take(visitor("a"), "w", lambda: (begun.set(), go.wait(30))))
        await asyncio.to_thread(begun.wait, 30)
        leaving = asyncio.create_task(turns.take(visitor("b"), "w", lambda: "never"))
        staying = asyncio.create_task(turns.take(visitor("c"), "w", lambda: "done"))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        go.set()
        await busy
        return await asyncio.wait_for(staying, 30)

    assert asyncio.run(ask()) == "done"
