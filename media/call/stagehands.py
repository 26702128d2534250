"""The parts of a call that belong to whoever has the word: made for the first, changed over for every next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from domain.call.variables import CallFacts
from domain.configuration.lookup import Configurations
from domain.knowledge.search import Knowledge
from media.call.client_messages import ClientMessageFilter
from media.call.crew import Backstage, Cast, Crew, Stage
from media.call.providers import Providers
from media.call.retention import Retention, RetentionConflict, retention_of
from media.call.session import CallSession
from media.call.settings import MediaSettings
from media.call.tenancy import Tenancy
from media.call.told import Told
from media.call.voice_runner import voices_of
from media.egress.client import HttpClient
from media.providers.language_model import ModelRequest
from media.providers.registry import LOCAL
from media.providers.tenant import patience_s
from media.tools.api_request import ApiRequests
from media.tools.bench import ToolBench
from media.tools.code_tools import CodeTools
from media.tools.destination_question import DestinationQuestions
from media.tools.endpointing_question import EndpointingQuestions
from media.tools.function_call import ServerTools
from media.tools.knowledge_query import KnowledgeQueries
from media.tools.mcp_tools import McpServers
from media.tools.outcome import ToolExecutor
from media.tools.tenant_servers import TenantServers


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """What the tools of every call of the process share. ``code_program`` is ``None`` where code is switched off."""

    knowledge: Knowledge
    code_program: Path | None
    code_at_once: asyncio.Semaphore


def tool_bench(
    toolbox: Toolbox,
    client: HttpClient,
    mcp: McpServers,
    servers: TenantServers,
    *,
    org_id: str,
    assistant: Callable[[], Mapping[str, Any]],
    snapshot: Callable[[], Mapping[str, Any]],
    now: Callable[[], datetime],
    settings: MediaSettings,
) -> ToolBench:
    """Executors for every type of tool. ``client`` must be guarded."""
    functions = ServerTools(
        servers,
        assistant,
        snapshot=snapshot,
        timeout_s=settings.tool_timeout_s,
        result_cap=settings.tool_result_cap,
    )
    queries = KnowledgeQueries(
        toolbox.knowledge, org_id, timeout_s=settings.tool_timeout_s, result_cap=settings.tool_result_cap
    )
    code = CodeTools(toolbox.code_program, now=now, result_cap=settings.tool_result_cap, at_once=toolbox.code_at_once)
    requests = ApiRequests(
        client, servers, now=now, timeout_s=settings.tool_timeout_s, result_cap=settings.tool_result_cap
    )
    others: dict[str, ToolExecutor] = {
        "apiRequest": requests,
        "code": code,
        "mcp": mcp,
        "query": queries,
        "knowledgeBase": queries,
    }
    return ToolBench(functions, others)


def put_to_work(
    session: CallSession,
    first: Cast,
    client: HttpClient,
    mcp: McpServers,
    tenancy: Tenancy,
    toolbox: Toolbox,
    *,
    org_id: str,
    facts: CallFacts,
    stored: Configurations,
    providers: Providers,
    settings: MediaSettings,
) -> Crew:
    """The crew of a call, with everything that it works with.

    Nothing here refers back to the crew: a call that is over is freed without the collector.
    """
    stage = Stage(first)
    told, servers = tenancy.told, tenancy.servers
    told.use(first.config, first.role.version)
    tenancy.live.use(first.config)

    def now() -> datetime:
        return session.clock.wall_time(session.now_ms())

    def assistant() -> Mapping[str, Any]:
        return stage.present.config

    def switch(before: Cast, after: Cast) -> None:
        told.use(after.config, after.role.version)
        tenancy.live.use(after.config)
        change_over(session, before, after, tenancy)
        session.keep(_retention(session, after, settings))

    bench = tool_bench(
        toolbox,
        client,
        mcp,
        servers,
        org_id=org_id,
        assistant=assistant,
        snapshot=told.whole,
        now=now,
        settings=settings,
    )
    backstage = Backstage(
        stored=stored,
        providers=providers,
        facts=facts,
        now=now,
        bench=bench,
        mcp=mcp,
        questions=DestinationQuestions(
            servers,
            assistant,
            snapshot=told.whole,
            timeout_s=settings.tool_timeout_s,
            warn=session.warned,
        ),
        spawn=session.spawn,
        feed=session.feed,
        warn=session.warned,
        switch=switch,
    )
    return Crew(stage, backstage)


def _retention(session: CallSession, cast: Cast, settings: MediaSettings) -> Retention:
    """What may be kept while the next assistant has the word; nothing where it cannot be told."""
    try:
        return retention_of(cast.config, zero_data_retention=settings.zero_data_retention)
    except RetentionConflict as conflict:
        session.warned("retention-conflict", str(conflict))
        return Retention(recording=False, words=False, log=False, told=False)


def change_over(session: CallSession, before: Cast, after: Cast, tenancy: Tenancy) -> None:
    """From now on the call speaks, listens and thinks as ``after``."""
    parts = session.parts
    if parts is None:
        return
    parts.model.use(after.chosen.models, model_request(after, tenancy.told))
    parts.voice.use(*voices_of(after.chosen))
    if _listens_differently(before, after):
        parts.transcriber.use(after.chosen.transcribers, session.spawn)
    parts.room.arrange(after.plan, session.spawn)
    parts.endpointing = endpointing_questions(session, after, tenancy)
    session.pass_client_messages(ClientMessageFilter(after.plan.client_messages))


def model_request(cast: Cast, told: Told) -> ModelRequest:
    """What every request of an assistant to its models has in common; ``told`` is what its own model learns."""
    known = told.brief()
    model = _mapping(cast.config.get("model"))
    return ModelRequest(
        messages=(),
        tools=cast.plan.tool_definitions,
        temperature=_number(model.get("temperature"), 0.5),
        max_tokens=int(_number(model.get("maxTokens"), 250)),
        context={
            **{name: known[name] for name in ("call", "phoneNumber", "customer") if name in known},
            "metadata": cast.config.get("metadata") or {},
        },
        first_token_s=patience_s(model),
    )


def endpointing_questions(session: CallSession, cast: Cast, tenancy: Tenancy) -> EndpointingQuestions:
    """Questions to the endpointing server of an assistant."""
    return EndpointingQuestions(
        tenancy.servers,
        cast.config,
        spawn=session.spawn,
        feed=session.feed,
        warn=session.warned,
        snapshot=tenancy.told.brief,
    )


def _listens_differently(before: Cast, after: Cast) -> bool:
    """The local recogniser knows the words of its assistant, so another assistant is another recogniser."""
    section = _mapping(after.config.get("transcriber"))
    return (
        before.config.get("transcriber") != after.config.get("transcriber")
        or (section.get("provider") or LOCAL) == LOCAL
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any, default: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default
