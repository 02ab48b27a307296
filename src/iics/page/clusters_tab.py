"""The tab "Clusters": the clusters of a run, sorted, a page at a time."""

from __future__ import annotations

from typing import Any, get_args

import gradio as gr

from iics.errors import IicsError
from iics.page.cluster_browser import ClusterBrowser, ClusterOrder
from iics.page.match_view import message_html
from iics.page.turns import Turns, in_turn
from iics.page.visitors import Visitor


def build_clusters_tab(browser: ClusterBrowser | None, turns: Turns) -> None:
    """Lay out the tab and connect its events; within a `gr.Blocks`. Without a run it says how to name one."""
    if browser is None:
        gr.HTML(message_html("No run was named", "Start the page with --run RUN to browse the clusters of a run."))
        return
    orders: tuple[ClusterOrder, ...] = get_args(ClusterOrder)
    with gr.Row():
        rounds = [str(number) for number in browser.rounds]
        chosen = gr.Dropdown(rounds, value=rounds[-1], label="Round", elem_id="iics-round")
        order = gr.Radio(list(orders), value=orders[0], label="Sorted", elem_id="iics-cluster-order")
        with gr.Column():
            page = gr.Number(1, label="Page", precision=0, minimum=1, elem_id="iics-page")
            with gr.Row():
                back = gr.Button("Previous page", size="sm")
                forth = gr.Button("Next page", size="sm")
    shown = gr.HTML("", elem_id="iics-cluster-list")
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}

    def show(_: Visitor, round_name: str, order_name: str, number: int | None) -> str:
        return _page_html(browser, round_name, order_name, number or 1)

    def turned(by: int) -> Any:
        def turn(_: Visitor, round_name: str, order_name: str, number: int | None) -> tuple[int, str]:
            return turned_page(browser, round_name, order_name, number or 1, by)

        return in_turn(turns, turn)

    def start_over(_: Visitor, round_name: str, order_name: str) -> tuple[int, str]:
        return 1, _page_html(browser, round_name, order_name, 1)

    gr.on([chosen.input, order.input], in_turn(turns, start_over), [chosen, order], [page, shown], **quiet)
    page.submit(in_turn(turns, show), [chosen, order, page], shown, **quiet)
    page.blur(in_turn(turns, show), [chosen, order, page], shown, **quiet)
    gr.on(None, in_turn(turns, lambda _: _page_html(browser, rounds[-1], orders[0], 1)), None, shown, **quiet)
    back.click(turned(-1), [chosen, order, page], [page, shown], **quiet)
    forth.click(turned(1), [chosen, order, page], [page, shown], **quiet)


def _page_html(browser: ClusterBrowser, round_name: str, order: str, page: int) -> str:
    try:
        return browser.html(int(round_name), order, page)
    except IicsError as error:
        return _refusal(error)


def turned_page(browser: ClusterBrowser, round_name: str, order: str, page: int, by: int) -> tuple[int, str]:
    """Return the number of the page that lies `by` pages on, as far as there are pages, and the page."""
    try:
        target = min(max(page + by, 1), browser.num_pages(int(round_name)))
    except IicsError as error:
        return page, _refusal(error)
    return target, _page_html(browser, round_name, order, target)


def _refusal(error: IicsError) -> str:
    return message_html("These clusters cannot be shown", str(error), is_error=True)
