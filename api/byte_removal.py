"""Removing stored bytes whose object is gone."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from starlette.concurrency import run_in_threadpool

from domain.artifacts import ArtifactStore

LOGGER: Final = logging.getLogger("callfold.api")


async def remove_bytes(artifacts: ArtifactStore, locations: Iterable[str]) -> None:
    """Remove what there is. What the store does not remove now is told to the operator by its location, and is no
    failure of the request: the deletion is recorded, and a retry of it would find no object any more."""
    for location in locations:
        try:
            await run_in_threadpool(artifacts.delete, location)
        except OSError as fault:
            LOGGER.error("artifact.bytes_left location=%s reason=%s", location, fault)
