"""Recordings and logs in an S3-compatible bucket, which the machines of an installation share."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, BinaryIO, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from domain.artifacts import ArtifactsUnavailable, StoredArtifact
from media.artifacts.naming import check_location, named

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config
    from typing_extensions import Buffer

_TIMEOUT: Final = timedelta(seconds=30)
_CONNECT_TIMEOUT: Final = timedelta(seconds=5)
_RETRIES: Final = 3
_RETRY_TIMEOUT: Final = timedelta(seconds=10)
_REST_S: Final = 10.0
"""How long nothing is uploaded after a failure: calls that end meanwhile must not queue up behind one time-out each."""
_READ_AT_ONCE: Final = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Where artifacts go. ``prefix`` stands before every key; ``endpoint`` is a server's URL where it is not Amazon's.

    Without keys those of the machine's role are used, as Amazon's own clients find them. ``presigned``: clients fetch
    artifacts from the bucket themselves, by links that carry its signature.
    """

    name: str
    prefix: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    presigned: bool = False


class S3ArtifactStore:
    """An ``ArtifactStore`` in a bucket. Nothing is asked of the server before the first artifact."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._rests_until_s = 0.0
        config: S3Config = {"bucket": bucket.name, "region": bucket.region, "checksum_algorithm": "SHA256"}
        if bucket.endpoint:
            config["endpoint"] = bucket.endpoint
        if bucket.access_key:
            config["access_key_id"] = bucket.access_key
            config["secret_access_key"] = bucket.secret_key
        client: ClientConfig = {
            "allow_http": bucket.endpoint.startswith("http://"),
            "timeout": _TIMEOUT,
            "connect_timeout": _CONNECT_TIMEOUT,
        }
        self._store = S3Store(
            prefix=bucket.prefix or None,
            config=config,
            client_options=client,
            retry_config={"max_retries": _RETRIES, "retry_timeout": _RETRY_TIMEOUT},
        )

    def put(self, call_id: str, name: str, source: Path, content_type: str) -> StoredArtifact:
        """Upload ``source`` and remove it; an object is there whole or not at all. Storing it twice is harmless.

        Raises ``ValueError`` for a call id or name that is no plain file name, and ``ArtifactsUnavailable`` with
        ``source`` where it was.
        """
        location, digest, size = named(call_id, name, source)
        if monotonic() < self._rests_until_s:
            raise ArtifactsUnavailable(f"bucket {self._bucket.name} did not answer a moment ago; {location} waits")
        shown_as = f'inline; filename="{Path(location).name}"'
        headers: dict[str, str] = {"Content-Type": content_type, "Content-Disposition": shown_as}
        try:
            with self._asking(f"take {location}"):
                obstore.put(self._store, location, source, attributes=headers)
        except FileNotFoundError as error:
            raise ArtifactsUnavailable(f"there is no bucket {self._bucket.name} to take {location}") from error
        source.unlink()
        return StoredArtifact(location=location, sha256=digest, size_bytes=size, content_type=content_type)

    def open(self, location: str) -> BinaryIO:
        """A seekable reader that fetches what is read. Raises ``FileNotFoundError`` for an unknown location,
        ``ValueError`` for one that leaves the store, and ``ArtifactsUnavailable``, also while it is read."""
        check_location(location)
        try:
            with self._asking(f"give {location}"):
                size = obstore.head(self._store, location)["size"]
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no artifact {location} in bucket {self._bucket.name}") from None
        return io.BufferedReader(_Reading(self, location, size), _READ_AT_ONCE)

    def delete(self, location: str) -> None:
        """Deleting what is gone is no error. Raises ``ArtifactsUnavailable``."""
        check_location(location)
        try:
            with self._asking(f"delete {location}"):
                obstore.delete(self._store, location)
        except FileNotFoundError:
            return

    def link(self, location: str, seconds: int) -> str | None:
        """A URL that the bucket itself answers for so long, where clients may go there."""
        check_location(location)
        if not self._bucket.presigned:
            return None
        with self._asking("sign a link"):
            return obstore.sign(self._store, "GET", location, timedelta(seconds=seconds))

    def read(self, location: str, start: int, length: int) -> Buffer:
        """A range of an object's bytes. Raises ``ArtifactsUnavailable``."""
        with self._asking(f"give {location}"):
            return obstore.get_range(self._store, location, start=start, length=length)

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except (BaseError, OSError) as error:
            self._rests_until_s = monotonic() + _REST_S
            # The library's text quotes the request, keys' names and all; its kind says what to look at.
            kind = type(error).__name__
            raise ArtifactsUnavailable(f"bucket {self._bucket.name} did not {what} ({kind})") from error


class _Reading(io.RawIOBase):
    def __init__(self, store: S3ArtifactStore, location: str, size: int) -> None:
        self._store = store
        self._location = location
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Buffer, /) -> int:
        room = memoryview(buffer).cast("B")
        length = min(len(room), self._size - self._place)
        if length <= 0:
            return 0
        room[:length] = memoryview(self._store.read(self._location, self._place, length))
        self._place += length
        return length
