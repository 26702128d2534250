"""``query`` and ``knowledgeBase`` tools: what the organisation's files say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from domain.knowledge import tool as knowledge
from domain.knowledge.search import Knowledge
from media.machine.outputs import CallTool
from media.tools.outcome import Failed, Outcome, answered


class KnowledgeQueries:
    """Asks ``search`` in the name of one organisation. A ``ToolExecutor``."""

    def __init__(self, search: Knowledge, org_id: str, *, timeout_s: float, result_cap: int) -> None:
        self._search = search
        self._org_id = org_id
        self._timeout_s = timeout_s
        self._result_cap = result_cap

    async def run(self, calls: Sequence[CallTool]) -> Mapping[str, Outcome]:
        """As ``ToolExecutor.run``: all at once."""
        outcomes = await asyncio.gather(*(self._run(call) for call in calls))
        return {call.tool_call_id: outcome for call, outcome in zip(calls, outcomes, strict=True)}

    async def _run(self, call: CallTool) -> Outcome:
        question = knowledge.query(call.arguments)
        if not question:
            return Failed("error", "Say what to look for in the argument query.")
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await self._search.search(self._org_id, knowledge.sources(call.tool, call.arguments), question)
        except TimeoutError:
            return Failed("timeout", f"Nothing was found within {self._timeout_s:g} seconds.")
        return answered(knowledge.answer(found), self._result_cap)
