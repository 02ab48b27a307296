"""What happens on the page -> work that is done in turns of the visitors. The seam between gradio and the tabs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import gradio as gr

from iics.page.turns import Turns
from iics.page.visitors import VISITOR, Visitor

Work = Callable[..., Any]
"""Takes the visitor, then the values of the fields that the event names, and returns those that it sets."""


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
