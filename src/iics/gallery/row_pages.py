"""Rows of a collection, page after page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from iics.gallery.stored_values import Row

if TYPE_CHECKING:
    from pymilvus import MilvusClient


def row_pages(
    client: MilvusClient, collection: str, fields: list[str], *, at_once: int, seconds: float, expression: str = ""
) -> Iterator[list[Row]]:
    """Yield all rows that meet an expression, in no order, many at a time.

    Args:
        client: Of the database.
        collection: Of the rows.
        fields: That are read.
        at_once: Rows of a page.
        seconds: To wait for an answer.
        expression: As the database has them; "" is met by all.
    """
    pages: Any = client.query_iterator(
        collection, batch_size=at_once, filter=expression, output_fields=fields, timeout=seconds
    )
    try:
        while page := pages.next():
            yield page
    finally:
        pages.close()
