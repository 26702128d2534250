"""``callfold doctor`` on a log on Kafka: whether it answers, and whether it could keep its promises."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.diagnosis import Finding, diagnose

if TYPE_CHECKING:
    from infra.kafka.cluster import DevCluster


def log_finding(folder: Path) -> Finding:
    (found,) = [finding for finding in diagnose(folder) if finding.check == "log"]
    return found


def test_a_cluster_that_answers_is_described_and_one_that_is_too_small_is_a_problem(
    tmp_path: Path, kafka_broker: DevCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLFOLD_LOG", f"kafka://{kafka_broker.bootstrap}")
    monkeypatch.setenv("CALLFOLD_KAFKA_REPLICATION", "1")
    answering = log_finding(tmp_path)
    monkeypatch.setenv("CALLFOLD_KAFKA_REPLICATION", "3")
    too_small = log_finding(tmp_path)

    assert answering.status == "ok"
    assert f"kafka://{kafka_broker.bootstrap} answers: cluster " in answering.detail
    assert ", 1 broker, Kafka " in answering.detail
    assert too_small.status == "problem"
    assert "CALLFOLD_KAFKA_REPLICATION=1" in too_small.detail


def test_a_cluster_that_does_not_answer_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLFOLD_LOG", "kafka://127.0.0.1:9")

    found = log_finding(tmp_path)

    assert found.status == "problem"
    assert "no Kafka broker answers at 127.0.0.1:9" in found.detail
