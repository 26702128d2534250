"""What ``PERSISTENCE_MODULE=streams.log.factory`` gives an eventsourcing application."""

from __future__ import annotations

from eventsourcing import sqlite
from eventsourcing.utils import Environment, EnvType

from streams.log.datastore import LogDatastore
from streams.log.recorder import LogApplicationRecorder, LogProcessRecorder

REPLICA = "LOG_FILE_IS_REPLICA"
"""Set to ``y`` where the file can be made again from elsewhere."""


class LogFactory(sqlite.SQLiteFactory):
    """Builds recorders on the log file named by ``SQLITE_DBNAME``. Snapshots stay local, in a table beside it."""

    application_recorder_class = LogApplicationRecorder
    process_recorder_class = LogProcessRecorder
    datastore: LogDatastore

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        plain = self.datastore
        self.datastore = LogDatastore(
            plain.pool.db_name,
            replica=self.env.get(REPLICA, "n") == "y",
            lock_timeout=plain.pool.lock_timeout,
            originator_id_type=plain.originator_id_type,
        )
        plain.close()
