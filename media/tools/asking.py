"""One request to an address that a tenant gave, repeated as its back-off plan says. Every repetition is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from domain.egress import EgressBlocked
from domain.server_messages.server import BackoffPlan
from media.egress.client import HttpClient, HttpError, InvalidUrl
from media.tools.outcome import Failed

_NO_REPETITION: Final = BackoffPlan()
BODY_CAP: Final = 1 << 20
"""Bytes of an answer that are read at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """``whom`` is how the one who is asked is called in what the model is told."""

    method: str
    url: str
    timeout_s: float
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    backoff: BackoffPlan | None = None
    whom: str = "The tool server"


@dataclass(frozen=True, slots=True)
class Reply:
    """``body`` is at most ``BODY_CAP`` bytes; header names are lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


async def ask(client: HttpClient, question: Question) -> Reply | Failed:
    """``client`` must be guarded. The last answer, whatever its status, or why there is none."""
    backoff = question.backoff or _NO_REPETITION
    failures = 0
    while True:
        failed: Failed
        try:
            async with asyncio.timeout(question.timeout_s):
                reply = await _send(client, question)
        except TimeoutError:
            failed = Failed("timeout", f"{question.whom} did not answer within {question.timeout_s:g} seconds.")
        except EgressBlocked as error:
            return Failed("refused", str(error))
        except InvalidUrl as error:
            return Failed("unreachable", f"The tool's server URL is not valid: {error}")
        except HttpError as error:
            failed = Failed("unreachable", f"{question.whom} could not be reached ({type(error).__name__}).")
        else:
            if not backoff.repeats(reply.status) or failures >= backoff.max_retries:
                return reply
            failed = Failed("http-status", f"{question.whom} answered with HTTP status {reply.status}.")
        if failures >= backoff.max_retries:
            return failed
        failures += 1
        await asyncio.sleep(backoff.delay_seconds(failures))


async def _send(client: HttpClient, question: Question) -> Reply:
    async with client.stream(
        question.method, question.url, content=question.body, headers=dict(question.headers), timeout=None
    ) as response:
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > BODY_CAP:
                break
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, bytes(body[:BODY_CAP]), headers)
