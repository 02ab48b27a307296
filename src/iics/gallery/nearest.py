"""The rows of a collection that are nearest to queries: one question to the database, answers in a fixed order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iics.arrays import FloatArray
from iics.gallery.schema import FEATURE_FIELD, ID_FIELD, STORED_FIELDS
from iics.gallery.unknown_values import Row, known_values

if TYPE_CHECKING:
    from pymilvus import MilvusClient


def nearest_rows(
    client: MilvusClient,
    collection: str,
    features: FloatArray,
    *,
    expression: str,
    limit: int,
    with_features: bool,
    seconds: float,
) -> list[list[Row]]:
    """Return the rows nearest to each query by cosine, with it as `similarity`, best first, ties by place.

    Args:
        client: Of the database.
        collection: Its name there.
        features: L2-normalised. Shape (m, d).
        expression: Which crops count, in the database's language.
        limit: How many for each query, at most `iics.gallery.schema.MOST_MATCHES`.
        with_features: Whether rows hold their feature.
        seconds: How long to wait for an answer.
    """
    answers = client.search(
        collection,
        [row.tolist() for row in features],
        filter=expression,
        limit=limit,
        output_fields=[ID_FIELD, *STORED_FIELDS, *([FEATURE_FIELD] if with_features else [])],
        timeout=seconds,
    )
    found = [
        [{**known_values(hit["entity"]), ID_FIELD: hit[ID_FIELD], "similarity": float(hit["distance"])} for hit in hits]
        for hits in answers
    ]
    for rows in found:
        rows.sort(key=lambda row: (-row["similarity"], row["archive"], row["path"], row[ID_FIELD]))
    return found
