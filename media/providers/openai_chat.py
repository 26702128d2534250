"""OpenAI's chat models, and any service that speaks the same protocol at another base URL."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import openai

from media.egress.client import Limits
from media.providers.chat_stream import stream_chat
from media.providers.errors import ProviderError, Stage
from media.providers.language_model import ModelFact, ModelRequest
from media.providers.settings import VendorAccess

PROVIDER = "openai"
DEFAULT_MODEL = "gpt-4o-mini"
FIRST_TOKEN_S = 10.0
CONNECT_S = 3.0
_KEPT_S = 120.0
"""How long a connection waits for its next request: longer than a turn takes."""

_REASONING = re.compile(r"^(?:o\d|gpt-5)")
"""Models that refuse ``temperature`` other than 1."""


def openai_client(
    access: VendorAccess,
    *,
    stage: Stage = "model",
    provider: str = PROVIDER,
    variable: str = "OPENAI_API_KEY",
    own_url: str | None = None,
) -> openai.AsyncOpenAI:
    """A client that neither retries nor waits long: fallbacks are the call's business, and a caller is waiting.

    Connections stay open between the turns of a conversation. ``own_url`` is the vendor's where it is not OpenAI's.
    Raises ``ProviderError`` (``not-configured``) without a key."""
    if not access.api_key:
        raise ProviderError(provider, stage, "not-configured", f"set {variable}, or choose another {stage} provider")
    timeout = openai.Timeout(60.0, connect=CONNECT_S)
    return openai.AsyncOpenAI(
        api_key=access.api_key,
        base_url=access.base_url or own_url,
        max_retries=0,
        timeout=timeout,
        http_client=openai.DefaultAsyncHttpxClient(
            timeout=timeout, limits=Limits(max_connections=1_000, keepalive_expiry=_KEPT_S)
        ),
    )


class OpenAiChat:
    """One assistant's model over a shared client. ``configuration`` is the assistant's ``model`` object."""

    def __init__(
        self, client: openai.AsyncOpenAI, configuration: Mapping[str, Any], *, first_token_s: float = FIRST_TOKEN_S
    ) -> None:
        self._client = client
        self._model = str(configuration.get("model") or DEFAULT_MODEL)
        self._effort = configuration.get("reasoningEffort")
        self._first_token_s = first_token_s

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def model(self) -> str:
        return self._model

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelFact, None]:
        """Raises ``ProviderError`` while iterated."""
        body: dict[str, Any] = {
            "model": self._model,
            "messages": list(request.messages),
            "stream_options": {"include_usage": True},
        }
        if request.tools:
            body["tools"] = list(request.tools)
        if _REASONING.match(self._model):
            body["max_completion_tokens"] = request.max_tokens
        else:
            body |= {"max_tokens": request.max_tokens, "temperature": request.temperature}
        if isinstance(self._effort, str):
            body["reasoning_effort"] = self._effort
        return stream_chat(self._client, PROVIDER, body, headers={}, first_token_s=self._first_token_s)
