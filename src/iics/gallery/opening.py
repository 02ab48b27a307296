"""Opening a gallery: its collection is found or made, an interrupted deletion finished, a model compared with its own.

An open collection has the connection, a guard against forks and the wording of the database's errors; what it is asked
is in `gallery`.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from iics.errors import GalleryError
from iics.gallery import connection
from iics.gallery.connection import connect, database_errors, disconnect, is_server
from iics.gallery.erasure import TOKEN_PROPERTY, finish_deleting, finish_erasure, is_pending
from iics.gallery.schema import MODEL_FILE_PROPERTY, MODEL_PROPERTY, CollectionHeader, create_collection
from iics.gallery.stored_values import local_path, unicode_name
from iics.home_folder import expanded
from iics.models.fingerprint import model_fingerprint

if TYPE_CHECKING:
    from pymilvus import MilvusClient

    from iics.models.reid_model import ReidModel

logger = logging.getLogger(__name__)


class OpenCollection:
    """The collection of a gallery, open until `close`.

    Attributes:
        client: The connection.
        uri: Where the gallery is.
        name: Of the collection there.
        header: What its properties told when it was opened.
        model_file: Where the gallery's model was when crops were last indexed; None if that is not known.
        finished_deleting: Whether opening it finished a deletion that had been interrupted.
    """

    def __init__(self, client: MilvusClient, uri: str, name: str) -> None:
        self.client, self._process = client, os.getpid()
        self.uri = uri
        self.name = name
        with self.asking():
            self.header = CollectionHeader.of(client.describe_collection(name), name)
            client.load_collection(name, timeout=connection.SECONDS_TO_ANSWER)
        self.model_file = local_path(self.header.model_file) if self.header.model_file else None
        self.finished_deleting = self._go_on_with_deleting()

    def close(self) -> None:
        """Give the connection back; in a forked process, only its parent does so."""
        if os.getpid() == self._process:
            disconnect(self.client, self.uri)

    @contextmanager
    def asking(self, what: str = "Cannot read") -> Iterator[None]:
        """Turn the database's errors into ours within a block, which must not run in a forked process.

        Args:
            what: How a message begins.

        Raises:
            GalleryError: If this process was forked from the one that opened the collection, or the database fails.
        """
        if os.getpid() != self._process:
            raise GalleryError(
                f"The gallery {self.uri} was opened before this process was forked, and a connection does not survive "
                "that. Open it in each worker; a folder serves one process at a time, a Milvus server many."
            )
        with database_errors(f"{what} the gallery {self.uri}"):
            yield

    def finish_deleting(self) -> bool:
        """Go on with a deletion that was interrupted, and return whether there was one."""
        with self.asking("Cannot erase from"):
            return finish_deleting(self.client, self.name, seconds=connection.SECONDS_TO_ANSWER)

    def check_model(self, model: ReidModel) -> None:
        """Refuse a model whose features do not belong here.

        Raises:
            GalleryError: If it is another one than the gallery's.
        """
        self.check_fingerprint(model_fingerprint(model))

    def check_fingerprint(self, fingerprint: str) -> None:
        """Refuse the features of a model with another fingerprint; see `check_model`."""
        if fingerprint != self.header.model_fingerprint:
            known = "" if self.model_file is None else f" ({self.model_file})"
            raise GalleryError(
                f"The gallery {self.uri} holds features of model {self.header.model_fingerprint}{known}; those of "
                f"model {fingerprint} cannot be compared with them. Use that model, or another gallery."
            )

    def remember_model_file(self, file: str) -> None:
        """Store where the gallery's model is now."""
        with self.asking():
            self.client.alter_collection_properties(self.name, {MODEL_FILE_PROPERTY: file})
        self.model_file = local_path(file)

    def _go_on_with_deleting(self) -> bool:
        """In a folder, finish an interrupted `delete`; on a server, where it may still be running, only warn.

        Returns:
            Whether one was finished.
        """
        if not is_server(self.uri):
            if is_finished := self.finish_deleting():
                logger.warning(
                    "Forgetting crops of %s was interrupted; those deleted are out of its files now. Give the same "
                    "`iics forget` again, in case some were not reached.",
                    self.uri,
                )
            return is_finished
        with self.asking():
            is_unfinished = is_pending(self.client, self.name, seconds=connection.SECONDS_TO_ANSWER)
        if is_unfinished:
            logger.warning(
                "Crops of %s are being forgotten, or were until an interruption: they may still be in the database's "
                "files. If nobody is at it, give the same `iics forget` again, which finishes it.",
                self.uri,
            )
        return False


def open_collection(uri: str, *, name: str) -> OpenCollection:
    """Return the collection of a gallery that exists; see `Gallery.open`."""
    client = connect(uri, is_new=False)
    try:
        with database_errors(f"Cannot look into {uri}"):
            is_there = finish_erasure(client, name, seconds=connection.seconds_to_look(uri))
        if not is_there:
            raise GalleryError(
                f"{uri} holds no gallery named {name}; `iics index {uri} CROPS --model MODEL` makes one."
            )
        return OpenCollection(client, uri, name)
    except BaseException:
        disconnect(client, uri)
        raise


def open_or_create_collection(uri: str, *, model: ReidModel, model_file: Path | None, name: str) -> OpenCollection:
    """Return the collection of a gallery for the features of `model`; see `Gallery.open_or_create`."""
    fingerprint = model_fingerprint(model)
    file = "" if model_file is None else unicode_name(str(expanded(model_file).absolute()))
    client = connect(uri, is_new=True)
    try:
        with database_errors(f"Cannot make a gallery in {uri}"):
            if not finish_erasure(client, name, seconds=connection.seconds_to_look(uri)):
                properties = {MODEL_PROPERTY: fingerprint, MODEL_FILE_PROPERTY: file, TOKEN_PROPERTY: uuid.uuid4().hex}
                create_collection(client, name, dimension=model.num_features, properties=properties)
        opened = OpenCollection(client, uri, name)
        opened.check_fingerprint(fingerprint)
        if file and opened.model_file != local_path(file):
            opened.remember_model_file(file)
        return opened
    except BaseException:
        disconnect(client, uri)
        raise
