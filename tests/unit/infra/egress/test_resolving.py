"""Name servers that are silent for one organisation cost the others nothing."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from infra.egress import resolving
from infra.egress.resolving import LOOKUPS_AT_ONCE, BoundedResolver
from tests.patience import PATIENCE_S


async def test_an_organisation_with_dead_names_holds_a_few_threads_and_no_other_organisation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given_up, asked = threading.Event(), list[str]()

    def lookup(host: str, port: int, family: socket.AddressFamily) -> list[tuple[Any, ...]]:
        asked.append(host)
        if host.startswith("dead"):
            given_up.wait()
            raise socket.gaierror("no such host")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]

    with ThreadPoolExecutor(LOOKUPS_AT_ONCE + 1) as pool:
        dead, living = BoundedResolver(pool, lookup), BoundedResolver(pool, lookup)
        monkeypatch.setattr(resolving, "LOOKUP_SECONDS", 0.2)
        lost = [dead.resolve(f"dead-{number}.example", 443) for number in range(20)]
        outcomes = await asyncio.gather(*lost, return_exceptions=True)
        monkeypatch.setattr(resolving, "LOOKUP_SECONDS", PATIENCE_S)
        try:
            # Their threads are taken until the system gives up.
            found = await living.resolve("shop.example", 443)
        finally:
            given_up.set()
        assert [(one["host"], one["port"]) for one in found] == [("93.184.216.34", 443)]
        assert all(isinstance(outcome, OSError) for outcome in outcomes)
        assert "no name server answered for dead-0.example" in str(outcomes[0])
        # Now there is room again.
        assert await dead.resolve("shop.example", 80)
    assert sum(host.startswith("dead") for host in asked) == LOOKUPS_AT_ONCE


async def test_addresses_are_answered_without_a_name_server() -> None:
    with ThreadPoolExecutor(1) as pool:
        found = await BoundedResolver(pool).resolve("127.0.0.1", 8080)
    assert [(one["host"], one["port"], one["family"]) for one in found] == [("127.0.0.1", 8080, socket.AF_INET)]
