"""Fetch files that are known by their hash: several at a time, each whole and right, or not there at all."""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import httpx2

from infra.kafka.distribution import Artifact
from infra.kafka.errors import ChecksumMismatch, DownloadFailed

_ATTEMPTS = 4
_BACK_OFF_S = 0.5
_AT_A_TIME = 8
_TIMEOUT = httpx2.Timeout(20.0)
_CHUNK_BYTES = 1 << 16

Progress = Callable[[int], None]
"""Told how many bytes more have arrived; fewer than none when an attempt is thrown away."""


def download(
    artifacts: Iterable[Artifact],
    folder: Path,
    progress: Progress,
    *,
    transport: httpx2.BaseTransport | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Put each artifact into ``folder`` under its file name.

    A file appears there by a rename after its hash was found right, so a file that is there is right. Connections
    that break and servers that are busy are tried again, with growing pauses.

    Raises ``DownloadFailed`` (no network, no such file, no room) and ``ChecksumMismatch``.
    """
    with (
        httpx2.Client(timeout=_TIMEOUT, transport=transport, follow_redirects=True) as client,
        ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="download") as pool,
    ):
        waiting = [pool.submit(_with_retries, client, artifact, folder, progress, pause) for artifact in artifacts]
        try:
            for done in as_completed(waiting):
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def forget_partial(folder: Path) -> None:
    """Remove what an attempt left that was killed. Nobody may be fetching into ``folder``."""
    for partial in folder.glob(".*.jar.*"):
        partial.unlink()


def matches(artifact: Artifact, folder: Path) -> bool:
    """Whether the file in ``folder`` is the one that was pinned, by its hash."""
    try:
        with (folder / artifact.file_name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256
    except FileNotFoundError:
        return False


def _with_retries(
    client: httpx2.Client, artifact: Artifact, folder: Path, progress: Progress, pause: Callable[[float], None]
) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _attempt(client, artifact, folder, progress)
            return
        except (httpx2.TransportError, httpx2.HTTPStatusError) as error:
            if attempt == _ATTEMPTS or not _may_pass(error):
                raise DownloadFailed(
                    f"could not fetch {artifact.url} ({_reason(error)}); is the network there, and does a proxy need "
                    f"HTTPS_PROXY? A machine without network can use a copy of {folder} from one that has it"
                ) from error
            pause(_BACK_OFF_S * 2 ** (attempt - 1) * random.uniform(0.8, 1.2))  # noqa: S311 - spreads retries
        except OSError as error:
            raise DownloadFailed(f"could not write {artifact.file_name} into {folder}: {error.strerror}") from error


def _attempt(client: httpx2.Client, artifact: Artifact, folder: Path, progress: Progress) -> None:
    """One try. Whatever happens, no part of a file stays behind."""
    digest, received = hashlib.sha256(), 0
    handle, name = tempfile.mkstemp(prefix=f".{artifact.file_name}.", dir=folder)
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, client.stream("GET", artifact.url) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_bytes(_CHUNK_BYTES):
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                progress(len(chunk))
        if digest.hexdigest() != artifact.sha256:
            raise ChecksumMismatch(
                f"{artifact.url} is not the file that callfold pinned: SHA-256 {digest.hexdigest()}, expected "
                f"{artifact.sha256}; it was not kept. Something between here and Maven Central changes files"
            )
        partial.chmod(0o644)
        partial.rename(folder / artifact.file_name)
    except BaseException:
        partial.unlink(missing_ok=True)
        progress(-received)
        raise


def _may_pass(error: httpx2.HTTPError) -> bool:
    """Whether another try could end otherwise."""
    if isinstance(error, httpx2.HTTPStatusError):
        return error.response.status_code == httpx2.codes.TOO_MANY_REQUESTS or error.response.is_server_error
    return True


def _reason(error: httpx2.HTTPError) -> str:
    if isinstance(error, httpx2.HTTPStatusError):
        return f"the server answered {error.response.status_code}"
    return str(error) or type(error).__name__
