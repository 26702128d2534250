"""Tool calls for executors, without any conversation around them."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import httpx2

from domain.egress import EgressPolicy
from domain.server_messages.access import InlineAccess, ServerAccess
from media.machine.outputs import CallTool
from media.machine.reading import Section
from media.machine.tool_plan import read_tools
from media.tools.tenant_servers import TenantServers

LOOPBACK = EgressPolicy((ip_network("127.0.0.0/8"),))
NOW = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)


def tenant_servers(client: httpx2.AsyncClient, access: ServerAccess | None = None, **more: Any) -> TenantServers:
    """The servers of a tenant, in a call."""
    return TenantServers(client, access or InlineAccess(), **{"org_id": "org-1", "about": "call-1", "now": now, **more})


def now() -> datetime:
    return NOW


def call_of(tool: dict[str, Any], arguments: dict[str, Any] | None = None, **more: Any) -> CallTool:
    """A call of ``tool`` as the machine makes it; every text with markup in it is late."""
    plan = next(iter(read_tools(Section({"model": {"tools": [tool]}}), server_available=True).values()))
    late = tuple(_late(tool, ""))
    return CallTool(
        tool_call_id="c1", name=plan.name, arguments=arguments or {}, tool=plan.config, **{"late": late, **more}
    )


def _late(value: Any, path: str) -> list[str]:
    match value:
        case str() if "{{" in value:
            return [path]
        case dict():
            return [each for key, inner in value.items() for each in _late(inner, f"{path}.{key}".strip("."))]
        case list():
            return [each for index, inner in enumerate(value) for each in _late(inner, f"{path}.{index}")]
        case _:
            return []
