"""What a gallery stores of each crop, and how a collection for it is made.

A collection belongs to one model: its properties hold the model's fingerprint. The search is exact (FLAT): every
feature is compared, so that no filter and no deletion can hide a crop that is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iics.errors import GalleryError
from iics.gallery.stored_values import FORMAT_WITH_NULLS, NUMBER_FIELDS

if TYPE_CHECKING:
    from pymilvus import MilvusClient


MOST_MATCHES = 16384
"""What a Milvus server finds at most for one query."""
FORMAT_VERSION = "2"
FORMAT_PROPERTY, MODEL_PROPERTY, MODEL_FILE_PROPERTY = "iics.format", "iics.model", "iics.model_file"
CENTRE_PROPERTY = "iics.centre"
"""How the gallery is searched unless a search says otherwise: a `CentreChoice` in JSON. Features are stored plain."""
KEEP_DAYS_PROPERTY = "iics.keep_days"
"""After how many days crops are deleted; 0 or nothing: never."""

ID_FIELD, FEATURE_FIELD = "crop_id", "feature"
TEXT_LENGTHS = {"digest": 64, "path": 4096, "archive": 4096, "camera": 1024}
"""Text fields with the bytes they hold."""
STORED_FIELDS = (*TEXT_LENGTHS, "time", *NUMBER_FIELDS)
"""All fields but the id and the feature."""


@dataclass(frozen=True)
class Layout:
    """What the rows of a collection hold beside an id and a vector.

    Attributes:
        formats: Formats that have it, the newest last.
        texts: Text fields with the bytes they hold.
        doubles: Fields of numbers.
        integers: Fields of whole numbers.
        id_length: Bytes of an id.
    """

    formats: tuple[str, ...]
    texts: Mapping[str, int]
    doubles: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()
    id_length: int = 64

    @property
    def fields(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.texts, *self.doubles, *self.integers)


CROPS_LAYOUT = Layout((FORMAT_WITH_NULLS, FORMAT_VERSION), TEXT_LENGTHS, ("time",), NUMBER_FIELDS)


def create_collection(
    client: MilvusClient,
    name: str,
    *,
    dimension: int,
    properties: Mapping[str, str],
    format_version: str = FORMAT_VERSION,
    layout: Layout = CROPS_LAYOUT,
) -> None:
    """Make an empty collection.

    Args:
        client: Of the database.
        name: Of the collection there.
        dimension: Length of a vector.
        properties: To be kept with it.
        format_version: Of those of the layout.
        layout: What its rows hold.

    Raises:
        GalleryError: If the database does not keep the properties, without which a gallery's model is not known.
    """
    from pymilvus import DataType

    schema = client.create_schema(enable_dynamic_field=False)
    schema.add_field(ID_FIELD, DataType.VARCHAR, is_primary=True, max_length=layout.id_length)
    schema.add_field(FEATURE_FIELD, DataType.FLOAT_VECTOR, dim=dimension)
    for field, length in layout.texts.items():
        schema.add_field(field, DataType.VARCHAR, max_length=length)
    has_nulls = format_version == FORMAT_WITH_NULLS
    for field in layout.doubles:
        schema.add_field(field, DataType.DOUBLE, nullable=has_nulls)
    for field in layout.integers:
        schema.add_field(field, DataType.INT64, nullable=has_nulls)
    index = client.prepare_index_params()
    index.add_index(FEATURE_FIELD, index_type="FLAT", metric_type="IP")  # of rows of length 1: the cosine
    wanted = {**properties, FORMAT_PROPERTY: format_version}
    client.create_collection(name, schema=schema, index_params=index, properties=wanted, consistency_level="Strong")
    kept = client.describe_collection(name).get("properties", {})
    if any(kept.get(key) != value for key, value in wanted.items()):
        client.drop_collection(name)
        raise GalleryError(
            "This database keeps no properties of a collection, so a gallery's model would be forgotten. A Milvus "
            "server does from 2.3 on."
        )


@dataclass(frozen=True)
class CollectionHeader:
    """What a collection's properties tell of a gallery.

    Attributes:
        format_version: How unknown values are held.
        model_fingerprint: Of the only model whose features may enter.
        model_file: Where that model was; "" if unknown.
        dimension: Length of a feature.
        properties: All of them.
    """

    format_version: str
    model_fingerprint: str
    model_file: str
    dimension: int
    properties: Mapping[str, str]

    @classmethod
    def of(cls, description: Mapping[str, Any], name: str, layout: Layout = CROPS_LAYOUT) -> CollectionHeader:
        """Return the header in a database's description of a collection.

        Raises:
            GalleryError: If the collection is none of ours, of another kind, or was made by a newer version.
        """
        properties = description.get("properties", {})
        version = properties.get(FORMAT_PROPERTY)
        if version is None or MODEL_PROPERTY not in properties:
            raise GalleryError(f"The collection {name} was not made by iics; name another one with --collection.")
        if version not in layout.formats:
            raise GalleryError(
                f"The collection {name} has the format {version}, and {' or '.join(layout.formats)} was needed: it "
                "belongs to a gallery and is none itself, or a newer iics made it, which has to be used then."
            )
        feature = next(field for field in description["fields"] if field["name"] == FEATURE_FIELD)
        dimension = int(feature["params"]["dim"])
        model_file = properties.get(MODEL_FILE_PROPERTY, "")
        return cls(version, properties[MODEL_PROPERTY], model_file, dimension, properties)
