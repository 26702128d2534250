"""eventsourcing's own recorder, factory and application cases, run unchanged on the log on Kafka.

Its aggregate recorder cases run on the snapshot recorder, as they do on the embedded log: through a log they cannot
pass, since they want no notification ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from eventsourcing.persistence import AggregateRecorder, ApplicationRecorder, ProcessRecorder, TrackingRecorder
from eventsourcing.sqlite import SQLiteAggregateRecorder, SQLiteTrackingRecorder
from eventsourcing.tests import application, persistence
from eventsourcing.utils import Environment, get_topic

from infra.kafka.cluster import DevCluster
from streams.kafka.location import KafkaLocation
from streams.log.kafka.recorder import KafkaApplicationRecorder, KafkaLogFactory, KafkaProcessRecorder
from tests.brokers import MockKafka
from tests.contracts.kafka_nodes import MOCK_FETCH_WAIT_MS, on_broker, on_mock


def environment(location: KafkaLocation, folder: Path, name: str = "Log") -> Environment:
    return Environment(
        name,
        {
            "PERSISTENCE_MODULE": "streams.log.kafka.recorder",
            "SQLITE_DBNAME": f"file:{folder / uuid4().hex}.db",
            "LOG_LOCATION": str(location),
            "LOG_REPLICATION": "1",
            "LOG_FETCH_WAIT_MS": str(MOCK_FETCH_WAIT_MS if location.protocol else 500),
        },
    )


class OnMock:
    env: Environment

    @pytest.fixture(autouse=True)
    def _on_mock(self, tmp_path: Path, shared_mock_kafka: MockKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place(environment(on_mock(shared_mock_kafka.bootstrap), tmp_path, "TestCase"), monkeypatch)

    def place(self, env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
        self.env = env
        for name, value in env.items():
            monkeypatch.setenv(name, value)


class OnBroker(OnMock):
    @pytest.fixture(autouse=True)
    def _on_mock(self, tmp_path: Path, kafka_broker: DevCluster, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place(environment(on_broker(kafka_broker.bootstrap), tmp_path, "TestCase"), monkeypatch)


class WithFactory(OnMock):
    factory: KafkaLogFactory

    @pytest.fixture(autouse=True)
    def _factory(self, _on_mock: None) -> Iterator[None]:
        self.factory = KafkaLogFactory(self.env)
        yield
        self.factory.close()

    def create_recorder(self) -> ProcessRecorder:
        return self.factory.process_recorder()


class ApplicationCases(WithFactory, persistence.ApplicationRecorderTestCase[ApplicationRecorder]):
    __test__ = False

    def create_recorder(self) -> ApplicationRecorder:  # type: ignore[override]  # the case asks for less
        return self.factory.application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class NonInterleavingCases(WithFactory, persistence.NonInterleavingNotificationIDsBaseCase):
    __test__ = False


class ProcessCases(WithFactory, persistence.ProcessRecorderTestCase):
    __test__ = False


class TrackingCases(WithFactory, persistence.TrackingRecorderTestCase):
    __test__ = False

    def create_recorder(self) -> TrackingRecorder:  # type: ignore[override]  # the case asks for less
        return self.factory.process_recorder()


class SnapshotCases(WithFactory, persistence.AggregateRecorderTestCase):
    __test__ = False

    def create_recorder(self) -> AggregateRecorder:  # type: ignore[override]  # the case asks for less
        return self.factory.aggregate_recorder(purpose="snapshots")


class MyTrackingRecorder(SQLiteTrackingRecorder):
    pass


class FactoryCases(OnMock, persistence.InfrastructureFactoryTestCase[KafkaLogFactory]):
    __test__ = False

    def tearDown(self) -> None:
        self.factory.close()
        super().tearDown()

    def expected_factory_class(self) -> type[KafkaLogFactory]:
        return KafkaLogFactory

    def expected_aggregate_recorder_class(self) -> type[AggregateRecorder]:
        return SQLiteAggregateRecorder

    def expected_application_recorder_class(self) -> type[ApplicationRecorder]:
        return KafkaApplicationRecorder

    def expected_tracking_recorder_class(self) -> type[TrackingRecorder]:
        return SQLiteTrackingRecorder

    def tracking_recorder_subclass(self) -> type[TrackingRecorder]:
        return MyTrackingRecorder

    def expected_process_recorder_class(self) -> type[ProcessRecorder]:
        return KafkaProcessRecorder


class ExampleApplicationCases(OnMock, application.ExampleApplicationTestCase):
    __test__ = False
    expected_factory_topic = get_topic(KafkaLogFactory)


class TestApplicationRecorderOnMock(ApplicationCases):
    __test__ = True


class TestNonInterleavingOnMock(NonInterleavingCases):
    __test__ = True


class TestProcessRecorderOnMock(ProcessCases):
    __test__ = True


class TestTrackingRecorderOnMock(TrackingCases):
    __test__ = True


class TestSnapshotRecorderOnMock(SnapshotCases):
    __test__ = True


class TestFactoryOnMock(FactoryCases):
    __test__ = True


class TestExampleApplicationOnMock(ExampleApplicationCases):
    __test__ = True


class TestApplicationRecorderOnKafka(OnBroker, ApplicationCases):
    __test__ = True


class TestNonInterleavingOnKafka(OnBroker, NonInterleavingCases):
    __test__ = True


class TestProcessRecorderOnKafka(OnBroker, ProcessCases):
    __test__ = True


class TestTrackingRecorderOnKafka(OnBroker, TrackingCases):
    __test__ = True


class TestSnapshotRecorderOnKafka(OnBroker, SnapshotCases):
    __test__ = True


class TestFactoryOnKafka(OnBroker, FactoryCases):
    __test__ = True


class TestExampleApplicationOnKafka(OnBroker, ExampleApplicationCases):
    __test__ = True
