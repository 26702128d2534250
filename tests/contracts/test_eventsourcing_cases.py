"""eventsourcing's own recorder, factory and application cases, run unchanged on the embedded log and on Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    IntegrityError,
    ProcessRecorder,
    StoredEvent,
    TrackingRecorder,
)
from eventsourcing.sqlite import SQLiteAggregateRecorder, SQLiteTrackingRecorder
from eventsourcing.tests import application, persistence
from eventsourcing.utils import Environment, get_topic

from streams.log.factory import LogFactory
from streams.log.recorder import LogApplicationRecorder, LogProcessRecorder


def environment(folder: Path, name: str = "Log") -> Environment:
    return Environment(
        name, {"PERSISTENCE_MODULE": "streams.log.factory", "SQLITE_DBNAME": f"file:{folder / uuid4().hex}.sqlite"}
    )


class OnLogFactory:
    """Gives each case a factory on a file of its own."""

    factory: LogFactory

    @pytest.fixture(autouse=True)
    def _log_file(self, tmp_path: Path) -> Iterator[None]:
        self.factory = LogFactory(environment(tmp_path))
        yield
        self.factory.close()


class TestApplicationRecorder(OnLogFactory, persistence.ApplicationRecorderTestCase[ApplicationRecorder]):
    def create_recorder(self) -> ApplicationRecorder:
        return self.factory.application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()

    def test_a_version_that_leaves_a_gap_is_refused(self) -> None:
        recorder, originator_id = self.create_recorder(), uuid4()
        recorder.insert_events([StoredEvent(originator_id, 1, "topic", b"{}")])
        with pytest.raises(IntegrityError, match="leaves a gap"):
            recorder.insert_events([StoredEvent(originator_id, 3, "topic", b"{}")])
        assert [stored.originator_version for stored in recorder.select_events(originator_id)] == [1]


class TestNonInterleavingNotificationIDs(OnLogFactory, persistence.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> ApplicationRecorder:
        return self.factory.application_recorder()


class TestProcessRecorder(OnLogFactory, persistence.ProcessRecorderTestCase):
    def create_recorder(self) -> ProcessRecorder:
        return self.factory.process_recorder()


class TestApplicationCasesOnProcessRecorder(OnLogFactory, persistence.ApplicationRecorderTestCase[ApplicationRecorder]):
    def create_recorder(self) -> ApplicationRecorder:
        return self.factory.process_recorder()


class TestTrackingRecorder(OnLogFactory, persistence.TrackingRecorderTestCase):
    def create_recorder(self) -> TrackingRecorder:
        return self.factory.process_recorder()


class TestLibraryTrackingRecorderOnLogFile(OnLogFactory, persistence.TrackingRecorderTestCase):
    """The library's own tracking recorder on a file whose tables the log has made."""

    def create_recorder(self) -> TrackingRecorder:
        self.factory.process_recorder()
        return self.factory.tracking_recorder()


class TestSnapshotRecorder(OnLogFactory, persistence.AggregateRecorderTestCase):
    def create_recorder(self) -> AggregateRecorder:
        return self.factory.aggregate_recorder(purpose="snapshots")


class MyTrackingRecorder(SQLiteTrackingRecorder):
    pass


class TestFactory(persistence.InfrastructureFactoryTestCase[LogFactory]):
    @pytest.fixture(autouse=True)
    def _log_file(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def setUp(self) -> None:
        self.env = environment(self.folder, name="TestCase")
        super().setUp()

    def expected_factory_class(self) -> type[LogFactory]:
        return LogFactory

    def expected_aggregate_recorder_class(self) -> type[AggregateRecorder]:
        return SQLiteAggregateRecorder

    def expected_application_recorder_class(self) -> type[ApplicationRecorder]:
        return LogApplicationRecorder

    def expected_tracking_recorder_class(self) -> type[TrackingRecorder]:
        return SQLiteTrackingRecorder

    def tracking_recorder_subclass(self) -> type[TrackingRecorder]:
        return MyTrackingRecorder

    def expected_process_recorder_class(self) -> type[ProcessRecorder]:
        return LogProcessRecorder


class TestExampleApplication(application.ExampleApplicationTestCase):
    expected_factory_topic = get_topic(LogFactory)

    @pytest.fixture(autouse=True)
    def _log_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in environment(tmp_path).items():
            monkeypatch.setenv(name, value)
