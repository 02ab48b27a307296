"""Whose work is done next: a turn a visitor, and of a visitor a turn a window. One piece of work at a time.

Whoever asks for much waits behind the own requests: with v visitors waiting, a visitor's first request is begun after
at most v others, however many requests there are. `in_turn` and `told_in_turn` are what gradio calls when something
happens on the page.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import gradio as gr

from iics.page.visitors import VISITOR, Visitor

_T = TypeVar("_T")
_Turn = asyncio.Future[None]
Work = Callable[..., Any]
"""Takes the visitor, then the values of the fields that the event names, and returns those that it sets."""


class Turns:
    """The queue before the model and the gallery; used from one event loop."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, OrderedDict[str, deque[_Turn]]] = OrderedDict()  # next visitor first
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="iics-page")
        self._is_busy = False

    async def take(self, visitor: Visitor, window: str, work: Callable[[], _T]) -> _T:
        """Do work when its turn comes, beside the event loop, and return what it returns."""
        turn: _Turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(visitor.key, OrderedDict()).setdefault(window, deque()).append(turn)
        self._begin_next()
        try:
            await turn
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)
        finally:
            if not turn.cancelled():  # else it never began
                self._is_busy = False
                self._begin_next()

    def _begin_next(self) -> None:
        while self._waiting and not self._is_busy:
            visitor, windows = self._waiting.popitem(last=False)
            window, turns = windows.popitem(last=False)
            turn = turns.popleft()
            if turns:
                windows[window] = turns  # behind the visitor's other windows
            if windows:
                self._waiting[visitor] = windows  # behind the other visitors
            if not turn.cancelled():
                self._is_busy = True
                turn.set_result(None)


def in_turn(turns: Turns, work: Work) -> Callable[..., Awaitable[Any]]:
    """Return what gradio calls when an event happens: the work, when the visitor's turn comes."""

    async def answer(request: gr.Request, *values: Any) -> Any:
        return await turns.take(_visitor(request), str(request.session_hash), partial(work, _visitor(request), *values))

    return answer


def told_in_turn(turns: Turns, work: Work) -> Callable[..., Awaitable[Any]]:
    """Return the like for an event of our own, whose data comes last; of two fields."""

    async def answer(request: gr.Request, first: Any, second: Any, event: gr.EventData) -> Any:
        told = partial(work, _visitor(request), first, second, event._data)
        return await turns.take(_visitor(request), str(request.session_hash), told)

    return answer


def _visitor(request: gr.Request) -> Visitor:
    visitor: Visitor = request.request.scope[VISITOR]
    return visitor
