"""Which process may do what with which settings, and where it is reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.data_folder import DataFolder, FolderInUse
from infra.roles import Addresses, Role, RoleUnfit, check, seated
from infra.settings import Settings


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


def test_a_process_is_reached_by_clients_callers_and_other_processes_where_its_settings_say() -> None:
    alone = Addresses.of(settings(), public_port=8080, own_port=8080)
    assert {alone.public_url, alone.media_url, alone.node_url, alone.local_url} == {"http://127.0.0.1:8080"}

    behind = settings(
        host="0.0.0.0", public_url="https://api.example", media_url="https://calls.example", node_host="fd00::7"
    )
    assert Addresses.of(behind, public_port=8080, own_port=40123) == Addresses(
        public_url="https://api.example",
        media_url="https://calls.example",
        node_url="http://[fd00::7]:40123",
        local_url="http://127.0.0.1:40123",
    )


def test_a_log_that_machines_share_needs_an_address_that_they_can_reach() -> None:
    everywhere = settings(host="0.0.0.0", log="kafka://broker:9092")
    for role in ("up", "media"):
        with pytest.raises(RoleUnfit, match="CALLFOLD_NODE_HOST"):
            check(role, everywhere)
    check("api", everywhere)
    check("media", everywhere.model_copy(update={"node_host": "media-1"}))
    check("media", settings(host="0.0.0.0"))


def test_a_projector_needs_a_clickhouse_server() -> None:
    with pytest.raises(RoleUnfit, match="CALLFOLD_CLICKHOUSE"):
        check("project", settings())
    check("project", settings(clickhouse="http://clickhouse:8123/callfold"))


@pytest.mark.parametrize("role", ["up", "api"])
def test_there_is_one_process_with_the_operators_routes(tmp_path: Path, role: Role) -> None:
    folder = DataFolder(tmp_path)

    with seated(role, folder) as main, seated("media", folder) as beside:
        assert (main.name, beside.name) == ("main", "media-1")
        main_again = folder.own()
        with pytest.raises(FolderInUse), main_again:
            pytest.fail("two processes own the analytics engine")


def test_there_is_one_projector(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)

    with seated("project", folder), pytest.raises(FolderInUse), seated("project", folder):
        pytest.fail("two processes fill the same tables")
