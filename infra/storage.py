"""What is kept in the data folder, opened: the log, the fragments, the artifacts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from infra.data_folder import DataFolder
from infra.identifiers import now, random_id
from media.artifacts.local import LocalArtifactStore
from streams.log.embedded import EmbeddedLog
from streams.media_log.embedded import EmbeddedFragmentLog


@dataclass(frozen=True, slots=True)
class Storage:
    """``log`` is ``Commands``, ``Documents`` and ``EventLog`` in one."""

    log: EmbeddedLog
    fragments: EmbeddedFragmentLog
    artifacts: LocalArtifactStore


@contextlib.contextmanager
def opened_storage(folder: DataFolder) -> Iterator[Storage]:
    """Open, or make at first use. Raises ``LogUnavailable``."""
    with contextlib.ExitStack() as closing:
        log = EmbeddedLog.open(folder.log, clock=now, new_id=random_id)
        closing.callback(log.close)
        fragments = EmbeddedFragmentLog(folder.media)
        closing.callback(fragments.close)
        yield Storage(log, fragments, LocalArtifactStore(folder.artifacts))
