"""Recorded contents of a gallery's folder, which are compared with the files before it is opened.

milvus-lite replaces a damaged manifest by an older one or none, skips missing data files, and deletes files that its
manifest does not name. So damage must be noticed before milvus-lite opens the folder.

When the last user closes a folder, sizes and checksums of all files are written to `contents.json`. The counter of
milvus-lite's manifest shows whether somebody else changed the folder since then: a milvus-lite server, or a process
that was killed. In that case checksums are not compared, but all files that the manifest names must exist and be
readable.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from iics.atomic import write_atomically
from iics.errors import GalleryError
from iics.gallery.erasure import COPY, MADE_BY_ERASURE, TOKEN_PROPERTY
from iics.gallery.schema import FORMAT_PROPERTY, MODEL_PROPERTY
from iics.regular_file import MOST_TEXT_BYTES, read_regular

CONTENTS = "contents.json"
_COLLECTIONS, _SCHEMA, _MANIFEST = "collections", "schema.json", "manifest.json"
_DATA_FILES = "partitions/*/data/*.parquet"
_BLOCK = 1 << 22
_WAY_OUT = "Nothing was changed. Restore the folder from a backup, or index the crops into a new one."

Fingerprint = tuple[int, int]
"""Size in bytes and CRC-32 of a file."""


class _DamageError(Exception):
    """What is wrong, as the end of a sentence that begins with the gallery."""


@dataclass(frozen=True)
class _Contents:
    """Recorded contents of a collection.

    Attributes:
        token: Of the collection; a new collection of the same name has another token.
        version: Counter of its manifest; -1 if there was none.
        schema: Checksum of what never changes in its schema.
        files: Of all others, by their paths.
    """

    token: str
    version: int
    schema: int
    files: Mapping[str, Fingerprint]


def check_contents(folder: Path) -> None:
    """Refuse the folder of a gallery if it is damaged. Nobody may have it open; reads all files once.

    Raises:
        GalleryError: If a file is gone, cannot be read, or is not as it was left.
    """
    try:
        recorded = _recorded(folder)
        collections = {path.name: path for path in _folders(folder)}
        for name, path in collections.items():
            made = MADE_BY_ERASURE.fullmatch(name)
            if not _is_unborn(path) and (made is None or made[1] not in collections):
                _check_collection(path, recorded.get(name))
        spare = {made[1] for made in map(MADE_BY_ERASURE.fullmatch, collections) if made is not None}
        for name in recorded.keys() - collections.keys() - spare:
            raise _DamageError(
                f"its folder {_COLLECTIONS}/{name} is gone (if that was dropped on purpose, delete {CONTENTS})"
            )
    except (_DamageError, OSError) as damage:
        raise GalleryError(f"The gallery {folder} is damaged: {damage}. {_WAY_OUT}") from damage


def record_contents(folder: Path) -> None:
    """Note what the folder of a gallery holds. Nobody may have it open; costs a pass over its files if they changed.

    Raises:
        WriteError: If that cannot be written.
    """
    paths = [path for path in _folders(folder) if MADE_BY_ERASURE.fullmatch(path.name) is None and not _is_unborn(path)]
    try:
        recorded = _recorded(folder)
        if all(_looks_as_recorded(path, recorded.get(path.name)) for path in paths):
            return
        found = {path.name: _contents(path) for path in paths}
    except (_DamageError, OSError):
        return  # told by whoever opens it next
    values = {name: [of.token, of.version, of.schema, of.files] for name, of in found.items()}
    text = json.dumps(values, sort_keys=True, separators=(",", ":")) + "\n"
    write_atomically(folder / CONTENTS, f"{zlib.crc32(text.encode()):08x}\n{text}")


def remove_leftovers(folder: Path) -> None:
    """Delete the remains of killed erasures and of collections that were killed while they were created.

    Nobody may have the folder open, and it must have been checked.
    """
    for path in _folders(folder):
        made = MADE_BY_ERASURE.fullmatch(path.name)
        if made is None and _is_unborn(path):
            shutil.rmtree(path)
        elif made is not None and (path.parent / made[1] / _SCHEMA).is_file():
            is_in_place = made["token"] == _token(_json(path.parent / made[1], _SCHEMA))
            if made["kind"] == COPY or is_in_place:
                shutil.rmtree(path)


def _is_unborn(path: Path) -> bool:
    """Return whether milvus-lite was killed between making a collection's folder and its schema."""
    return not any(file.suffix in (".parquet", ".arrow", ".json", ".idx") for file in _files(path))


def _check_collection(path: Path, recorded: _Contents | None) -> None:
    schema = _json(path, _SCHEMA)
    if recorded is not None and recorded.token != _token(schema):
        _check_is_another(path, schema, recorded)
        recorded = None
    elif recorded is not None and _schema_checksum(schema) != recorded.schema:
        raise _DamageError(f"{_place(path / _SCHEMA)} is not as it was written")
    has_manifest = (path / _MANIFEST).is_file()
    if not has_manifest and (recorded is not None or (path / "partitions").is_dir()):
        raise _DamageError(f"{_place(path / _MANIFEST)} is gone")
    manifest = _json(path, _MANIFEST) if has_manifest else {}
    version = _version(path, manifest)
    # Somebody else wrote since: the checksums are of older files.
    if recorded is None or version > recorded.version:
        _check_readable(path, manifest)
        return
    if version < recorded.version:
        raise _DamageError(f"{_place(path / _MANIFEST)} is older than the files it names")
    is_interrupted = (path / f"{_MANIFEST}.tmp").is_file()  # the copy of the manifest may be new already, or half there
    for name, fingerprint in recorded.files.items():
        if is_interrupted and name == f"{_MANIFEST}.prev":
            continue
        if not (path / name).is_file():
            raise _DamageError(f"{_place(path / name)} is gone")
        if _fingerprint(path / name) != fingerprint:
            raise _DamageError(f"{_place(path / name)} is not as it was written")


def _check_is_another(path: Path, schema: Mapping[str, Any], recorded: _Contents) -> None:
    """Refuse another model's schema beside rows that were noted: then no other collection took the name."""
    rows = {name: of for name, of in recorded.files.items() if fnmatch(name, _DATA_FILES)}
    has_rows = any((path / name).is_file() and _fingerprint(path / name) == of for name, of in rows.items())
    if has_rows and _schema_checksum(schema) != recorded.schema:
        raise _DamageError(f"{_place(path / _SCHEMA)} is not as it was written: it is of another gallery")


def _check_readable(path: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse a collection that others changed unless all that its manifest names is there and can be read."""
    from pyarrow import ArrowException, parquet

    for name in _named_files(path, manifest):
        try:
            parquet.read_table(path / name)
        except FileNotFoundError:
            raise _DamageError(f"{_place(path / name)} is gone") from None
        except (ArrowException, OSError, ValueError) as error:
            raise _DamageError(f"{_place(path / name)} cannot be read ({str(error).splitlines()[0]})") from error


def _named_files(path: Path, manifest: Mapping[str, Any]) -> list[str]:
    try:
        return [
            f"partitions/{partition}/{name}"
            for partition, files in manifest.get("partitions", {}).items()
            for kind in ("data_files", "delta_files")
            for name in files[kind]
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise _DamageError(f"{_place(path / _MANIFEST)} does not say which files there are") from error


def _contents(path: Path) -> _Contents:
    files = {file.relative_to(path).as_posix(): _fingerprint(file) for file in _files(path) if file.name != _SCHEMA}
    schema = _json(path, _SCHEMA)
    version = _version(path, _json(path, _MANIFEST)) if (path / _MANIFEST).is_file() else -1
    return _Contents(_token(schema), version, _schema_checksum(schema), files)


def _looks_as_recorded(path: Path, recorded: _Contents | None) -> bool:
    """Return whether a collection has the manifest and the files that were noted."""
    if recorded is None or _fingerprint(path / _MANIFEST) != recorded.files.get(_MANIFEST):
        return False
    sizes = {file.relative_to(path).as_posix(): file.stat().st_size for file in _files(path) if file.name != _SCHEMA}
    return sizes == {name: size for name, (size, _) in recorded.files.items()}


def _recorded(folder: Path) -> dict[str, _Contents]:
    """Return the contents that were noted, by collection; none of a gallery that an older version made."""
    if not (folder / CONTENTS).is_file():
        return {}
    checksum, _, text = read_regular(folder / CONTENTS, most_bytes=MOST_TEXT_BYTES).partition(b"\n")
    if checksum != f"{zlib.crc32(text):08x}".encode():
        raise _DamageError(f"{CONTENTS}, which says what it should hold, is not as it was written")
    return {
        name: _Contents(token, version, schema, {file: (size, crc) for file, (size, crc) in files.items()})
        for name, (token, version, schema, files) in json.loads(text).items()
    }


def _schema_checksum(schema: Mapping[str, Any]) -> int:
    """Return a checksum of what is the same as long as a collection lives: its fields and whose features it holds."""
    properties = schema.get("properties", {})
    lasting = {name: value for name, value in properties.items() if name in (FORMAT_PROPERTY, MODEL_PROPERTY)}
    return zlib.crc32(json.dumps([schema.get("fields"), lasting], sort_keys=True).encode())


def _token(schema: Mapping[str, Any]) -> str:
    return str(schema.get("properties", {}).get(TOKEN_PROPERTY, ""))


def _version(path: Path, manifest: Mapping[str, Any]) -> int:
    version = manifest.get("version", -1)
    if not isinstance(version, int):
        raise _DamageError(f"{_place(path / _MANIFEST)} has no version")
    return version


def _json(path: Path, name: str) -> dict[str, Any]:
    """Return the object in a file of a collection."""
    try:
        values = json.loads(read_regular(path / name, most_bytes=MOST_TEXT_BYTES))
    except FileNotFoundError:
        raise _DamageError(f"{_place(path / name)} is gone") from None
    except ValueError as error:
        raise _DamageError(f"{_place(path / name)} cannot be read ({error})") from error
    if not isinstance(values, dict):
        raise _DamageError(f"{_place(path / name)} cannot be read (it holds no object)")
    return values


def _fingerprint(file: Path) -> Fingerprint:
    size, checksum = 0, 0
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            size, checksum = size + len(block), zlib.crc32(block, checksum)
    return size, checksum


def _folders(folder: Path) -> list[Path]:
    root = folder / _COLLECTIONS
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


def _place(file: Path) -> str:
    """Return a file's place within the gallery."""
    parts = file.parts
    return "/".join(parts[len(parts) - 1 - parts[::-1].index(_COLLECTIONS) :])
