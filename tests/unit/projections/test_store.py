"""Who may open the store, and what happens to the second one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from projections import schema
from projections.store import AnalyticsStore, StoreUnavailable

OPEN_AND_ASK = """
import sys
from projections.store import AnalyticsStore, StoreInUse
try:
    AnalyticsStore.open(sys.argv[1])
except StoreInUse as error:
    print(error.owner, error)
"""


def test_a_second_process_is_told_who_owns_the_folder(store: AnalyticsStore) -> None:
    path = store.engine_arguments["path"]
    told = subprocess.run([sys.executable, "-c", OPEN_AND_ASK, path], capture_output=True, text=True, timeout=240)
    assert told.stdout.startswith(f"{os.getpid()} The analytics folder {path} is in use by process {os.getpid()}")


def test_a_second_folder_in_one_process_is_refused_and_let_go_of(store: AnalyticsStore, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="one folder a process"):
            AnalyticsStore.open(tmp_path / "other")


def test_each_thread_has_a_client_of_its_own(store: AnalyticsStore) -> None:
    clients = [store.client(), store.client()]
    thread = threading.Thread(target=lambda: clients.append(store.client()))
    thread.start()
    thread.join()
    assert clients[0] is clients[1]
    assert clients[2] is not clients[0]
    assert clients[0].command("SELECT 1") == 1


def test_an_unreachable_server_is_named_without_its_password() -> None:
    with pytest.raises(StoreUnavailable) as refused:
        AnalyticsStore.open("http://someone:secret@127.0.0.1:9/default")
    assert "127.0.0.1:9" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_closed_store_opens_again_with_its_rows(tmp_path: Path) -> None:
    """Runs in a process of its own, since this one has a store open already."""
    script = f"""
from projections import schema
from projections.store import AnalyticsStore, StoreUnavailable
store = AnalyticsStore.open({str(tmp_path / "own")!r})
schema.upgrade(store)
store.client().command("INSERT INTO sink_ranges VALUES ('p', 0, 1, 2)")
store.close()
store.close()
try:
    store.client()
except StoreUnavailable as error:
    print(error)
again = AnalyticsStore.open({str(tmp_path / "own")!r})
print(schema.present_version(again), again.client().command("SELECT count() FROM sink_ranges"))
again.close()
other = AnalyticsStore.open({str(tmp_path / "other")!r})
print(schema.present_version(other))
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=240)
    assert told.stdout.splitlines() == ["The analytics store is closed.", f"{schema.HEAD} 1", "None"], told.stderr


class TestReadOnlyClients:
    def test_they_cannot_write_nor_lift_their_own_limits(self, store: AnalyticsStore) -> None:
        with store.read_only({"max_execution_time": 5}) as client:
            assert client.command("SELECT getSetting('max_execution_time')") == 5
            for statement in (
                "INSERT INTO sink_ranges VALUES ('p', 0, 1, 2)",
                "DROP TABLE sink_ranges",
                "SET readonly = 0",
                "SET max_execution_time = 0",
            ):
                with pytest.raises(Exception, match="READONLY"):
                    client.command(statement)

    def test_the_next_client_is_free_of_them(self, store: AnalyticsStore) -> None:
        with store.read_only({"limit": 1}) as client:
            assert len(client.query("SELECT * FROM numbers(9)").result_rows) == 1
        assert len(store.client().query("SELECT * FROM numbers(9)").result_rows) == 9
