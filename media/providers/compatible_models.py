"""The chat models of every vendor that speaks OpenAI's protocol; what differs is in ``compatible_vendors``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import openai

from media.providers.chat_stream import stream_chat
from media.providers.compatible_vendors import COMPATIBLE
from media.providers.language_model import ModelFact, ModelRequest

FIRST_TOKEN_S: Final = 10.0


class CompatibleChat:
    """One assistant's model over a shared client. ``configuration`` is the assistant's ``model`` object."""

    def __init__(self, provider: str, client: openai.AsyncOpenAI, configuration: Mapping[str, Any]) -> None:
        self._provider = provider
        self._client = client
        self._model = str(configuration.get("model") or COMPATIBLE[provider].default_model)

    @property
    def provider(self) -> str:
        return self._provider

    @property
    def model(self) -> str:
        return self._model

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelFact, None]:
        """See ``LanguageModel``."""
        body: dict[str, Any] = {
            "model": self._model,
            "messages": list(request.messages),
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
        }
        if COMPATIBLE[self._provider].usage:
            body["stream_options"] = {"include_usage": True}
        if request.tools:
            body["tools"] = list(request.tools)
        return stream_chat(self._client, self._provider, body, headers={}, first_token_s=FIRST_TOKEN_S)
