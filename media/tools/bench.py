"""The executors of a conversation's tools, by type: whoever holds the conversation gives calls and gets outcomes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from media.machine.outputs import CallTool
from media.machine.tool_kinds import SERVER_TYPES
from media.tools.outcome import Failed, Outcome, ToolExecutor

_log = logging.getLogger(__name__)
_FAULT: Final = "The tool could not be run."


class ToolBench:
    """A ``ToolExecutor`` of every type: ``servers`` for those on the tenant's server, ``others`` by type word."""

    def __init__(self, servers: ToolExecutor, others: Mapping[str, ToolExecutor]) -> None:
        self._servers = servers
        self._others = dict(others)

    async def run(self, calls: Sequence[CallTool]) -> Mapping[str, Outcome]:
        """All at once; the fault of one executor is the failure of its calls alone."""
        by_executor: dict[ToolExecutor, list[CallTool]] = {}
        outcomes: dict[str, Outcome] = {}
        for call in calls:
            executor = self._executor(str(call.tool.get("type") or "function"))
            if executor is None:
                outcomes[call.tool_call_id] = Failed("rejected", "Tools of this type are not run by this server.")
            else:
                by_executor.setdefault(executor, []).append(call)
        for answers in await asyncio.gather(*(_guarded(*each) for each in by_executor.items())):
            outcomes.update(answers)
        return outcomes

    def _executor(self, type: str) -> ToolExecutor | None:
        return self._servers if type in SERVER_TYPES else self._others.get(type)


async def _guarded(executor: ToolExecutor, calls: Sequence[CallTool]) -> Mapping[str, Outcome]:
    try:
        return await executor.run(calls)
    except Exception:
        # Executors turn what goes wrong into outcomes; what they did not foresee must not end the conversation.
        _log.exception("tool.fault", extra={"tools": sorted({call.name for call in calls})})
        return {call.tool_call_id: Failed("error", _FAULT) for call in calls}
