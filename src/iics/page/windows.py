"""What gradio keeps of each window of a visitor, and how it forgets one: the only place that reaches into it."""

from __future__ import annotations

from collections import Counter

import gradio as gr


class Windows:
    """The windows of a page.

    Args:
        page: Gradio's.
    """

    def __init__(self, page: gr.Blocks) -> None:
        self._page = page

    def waiting(self) -> Counter[str]:
        """Return how many requests of each window wait or are being answered."""
        return Counter(event.session_hash for event in self._page._queue.event_ids_to_events.values())

    def num_unfetched(self, window: str) -> int:
        """Return how many messages wait for a window to fetch them."""
        messages = self._page._queue.pending_messages_per_session.get(window)
        return 0 if messages is None else messages.qsize()

    def forget(self, window: str) -> None:
        """Drop a window's fields, its last answer and what it has not fetched."""
        queue, states = self._page._queue, self._page.state_holder
        queue.pending_messages_per_session.pop(window, None)
        queue.pending_event_ids_session.pop(window, None)
        with states.lock:
            states.session_data.pop(window, None)
            states.time_last_used.pop(window, None)
