"""``apiRequest`` tools: a request to any HTTP API, made by us.

The address, its headers and constants are templates over the call's variables and what the model filled in. What the
model filled in never chooses where the request goes: in the address it is percent-encoded, and it may not change the
host. https://docs.vapi.ai/api-reference/tools/create
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from domain.call.extraction import extract
from domain.call.tool_parameters import constants
from domain.foreign_json import UnreadableJson, read_json
from domain.server_messages.access import CredentialUnusable
from domain.server_messages.server import Server, read_backoff
from media.egress.client import HttpClient
from media.machine.outputs import CallTool
from media.tools.asking import Question, Reply, ask
from media.tools.outcome import Answered, Failed, Outcome, answered
from media.tools.rendering import Now, filled, rendered_tool, sent_arguments
from media.tools.tenant_servers import TenantServers

_WITHOUT_BODY: Final = ("GET", "DELETE")
_METHODS: Final = ("POST", "GET", "PUT", "PATCH", "DELETE")
_NEUTRAL: Final = "x"
_MARKUP: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_WORD: Final = re.compile(r"[A-Za-z_][\w-]*")
_ENCODES_ITSELF: Final = ("url_encode", "url_escape")


class ApiRequests:
    """``client`` must be guarded; ``servers`` know the credentials that tools name; ``result_cap`` is the most
    characters of an answer that the model reads."""

    def __init__(
        self, client: HttpClient, servers: TenantServers, *, now: Now, timeout_s: float, result_cap: int
    ) -> None:
        self._client = client
        self._servers = servers
        self._now = now
        self._timeout_s = timeout_s
        self._result_cap = result_cap

    async def run(self, calls: Sequence[CallTool]) -> Mapping[str, Outcome]:
        """As ``ToolExecutor.run``: all at once."""
        outcomes = await asyncio.gather(*(self._run(call) for call in calls))
        return {call.tool_call_id: outcome for call, outcome in zip(calls, outcomes, strict=True)}

    async def _run(self, call: CallTool) -> Outcome:
        question = self._question(call)
        if isinstance(question, Failed):
            return question
        try:
            question = await self._authenticated(call, question)
        except CredentialUnusable as fault:
            return Failed("refused", f"The API could not be asked: {fault}.")
        reply = await ask(self._client, question)
        if isinstance(reply, Failed):
            return reply
        return self._outcome(call, reply)

    async def _authenticated(self, call: CallTool, question: Question) -> Question:
        """With the credential that the tool names; headers of its own win over the credential's."""
        credential_id = call.tool.get("credentialId")
        if not isinstance(credential_id, str) or not credential_id:
            return question
        server = Server(url=question.url, credential_id=credential_id)
        source = f"api-request.{call.tool_call_id}"
        proof = await self._servers.headers(server, source, question.body or b"", question.method, ours=False)
        given = {name.lower() for name in question.headers}
        added = {name: text for name, text in proof.items() if name.lower() not in given}
        return replace(question, headers={**question.headers, **added})

    def _question(self, call: CallTool) -> Question | Failed:
        now = self._now()
        tool = rendered_tool(call, now)
        arguments = {**sent_arguments(call, tool), **constants(tool.get("body"))}
        url = _address(call, self._now)
        if url is None:
            return Failed("refused", "The arguments would change where the request goes.")
        method = str(tool.get("method") or "POST").upper()
        if method not in _METHODS:
            return Failed("error", f"The tool's method {method!r} is not one of {', '.join(_METHODS)}.")
        headers = {name: _text(value) for name, value in constants(tool.get("headers")).items()}
        if any("\r" in value or "\n" in value for value in headers.values()):
            return Failed("refused", "The arguments would change the headers of the request.")
        body = None
        if method in _WITHOUT_BODY:
            url = _with_query(
                url, {name: value for name, value in arguments.items() if name not in _names(call.tool.get("url"))}
            )
        else:
            body = msgspec.json.encode(arguments)
            headers = {"content-type": "application/json", **headers}
        seconds = tool.get("timeoutSeconds")
        timeout_s = float(seconds) if isinstance(seconds, int | float) else self._timeout_s
        return Question(
            method=method,
            url=url,
            headers=headers,
            body=body,
            timeout_s=min(300.0, max(1.0, timeout_s)),
            backoff=read_backoff(tool.get("backoffPlan")),
            whom="The API",
        )

    def _outcome(self, call: CallTool, reply: Reply) -> Outcome:
        if not 200 <= reply.status < 300:
            said = reply.body.decode(errors="replace").strip()
            told = f"The API answered with HTTP status {reply.status}."
            return Failed("http-status", answered(f"{told} {said}".strip(), self._result_cap).result)
        if not reply.body.strip():
            return Answered("")
        try:
            body = read_json(reply.body)
        except UnreadableJson:
            return Failed("bad-body", "The API's answer is not JSON.")
        plan = call.tool.get("variableExtractionPlan")
        known = {**call.variables, **call.arguments}
        extracted = extract(plan, body, variables=known, now=self._now(), headers=reply.headers)
        return answered(body, self._result_cap, variables=extracted.values)


def _address(call: CallTool, now: Now) -> str | None:
    """Where the request goes; ``None`` where what the model filled in would decide that."""
    template = call.tool.get("url")
    if not isinstance(template, str):
        return ""
    if "url" not in call.late:
        return template
    encodes_itself = any(name in template for name in _ENCODES_ITSELF)
    filled_in = {name: value for name, value in call.arguments.items() if name in _names(template)}
    if any(str(value).strip() in (".", "..") for value in filled_in.values()):
        return None
    texts = {name: _text(value) for name, value in filled_in.items()}
    safe = texts if encodes_itself else {name: quote(text, safe="") for name, text in texts.items()}
    url = filled(template, {**call.variables, **safe}, now())
    neutral = filled(template, {**call.variables, **dict.fromkeys(filled_in, _NEUTRAL)}, now())
    try:
        ours, wanted = urlsplit(neutral), urlsplit(url)
    except ValueError:
        return None
    return url if (ours.scheme, ours.netloc) == (wanted.scheme, wanted.netloc) else None


def _names(template: Any) -> frozenset[str]:
    """The words inside the template's markup."""
    markup = " ".join(_MARKUP.findall(template)) if isinstance(template, str) else ""
    return frozenset(_WORD.findall(markup))


def _with_query(url: str, arguments: Mapping[str, Any]) -> str:
    query = urlencode({name: _text(value) for name, value in arguments.items() if value is not None})
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
