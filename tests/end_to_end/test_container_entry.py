"""What the container of callfold runs, run as a process: its command, its environment, its health check."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.brokers import fresh_topic
from tests.end_to_end.system_process import running

if TYPE_CHECKING:
    from infra.kafka.cluster import DevCluster

pytestmark = pytest.mark.timeout(900)  # a whole system is started, which a busy machine does slowly

INFRA = Path(__file__).parents[2] / "infra"
ELSEWHERE = {"CALLFOLD_LOG", "CALLFOLD_CLICKHOUSE", "CALLFOLD_PUBLIC_URL"}
"""What compose.yaml points at other containers and at a fixed port with."""


def instruction(name: str) -> list[str]:
    """The last of its kind in the Dockerfile, in the form of a JSON array."""
    text = (INFRA / "Dockerfile").read_text()
    found: list[str] = json.loads(re.findall(rf"^{name}.*?(\[.*\])$", text, re.MULTILINE)[-1])
    return found


@pytest.mark.long
def test_it_is_healthy_on_kafka_by_its_own_check_and_drains_when_it_is_stopped(
    kafka_broker: DevCluster, tmp_path: Path
) -> None:
    service = yaml.safe_load((INFRA / "compose.yaml").read_text())["services"]["callfold"]
    given = {name: value for name, value in service["environment"].items() if value and name not in ELSEWHERE}
    log = f"kafka://{kafka_broker.bootstrap}?topics={fresh_topic('container')}"
    assert instruction("ENTRYPOINT") == ["callfold"]
    (role,) = instruction("CMD")
    check = instruction("HEALTHCHECK")
    assert check.pop(0) == "python"

    with running(tmp_path / "data", role=role, CALLFOLD_LOG=log, CALLFOLD_KAFKA_REPLICATION="1", **given) as container:
        port = container.url.rpartition(":")[2]
        checked = subprocess.run(
            [sys.executable, *(part.replace(":8080/", f":{port}/") for part in check)],
            env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            check=False,
            capture_output=True,
            text=True,
        )
        assert checked.returncode == 0, checked.stderr
        assert container.organization is not None
        with container.api(container.organization["privateKey"]) as api:
            assert api.get("/assistant").json() == []
        assert container.terminate() == 0
