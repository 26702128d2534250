"""The tenant's own model behind a URL of the tenant's (``model.provider: "custom-llm"``).

The protocol is OpenAI's chat completions; ``model.url`` is the base URL or, as many integrations write it, the full
path. What the request carries besides the conversation follows ``metadataSendMode``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, cast

import openai

from domain.credentials.own_keys import OwnKey
from domain.server_messages.server import Server
from media.egress.client import HttpClient
from media.providers.chat_stream import stream_chat
from media.providers.errors import ProviderError
from media.providers.language_model import ModelFact, ModelRequest
from media.providers.tenant import first_token_s, headers_of
from media.tools.tenant_servers import TenantServers

PROVIDER = "custom-llm"
CONNECT_S = 3.0

_PATH = "/chat/completions"
_OBJECTS = ("call", "phoneNumber", "customer")
_RESERVED = frozenset(("model", "messages", "tools", "temperature", "max_tokens", "stream", "stream_options"))
_NO_KEY = "none"


class CustomLlm:
    """One assistant's model. ``client`` makes the requests and is guarded against private addresses by who made it."""

    def __init__(
        self,
        client: HttpClient,
        configuration: Mapping[str, Any],
        servers: TenantServers,
        own: OwnKey | None = None,
    ) -> None:
        """Raises ``ProviderError`` (``not-configured``) when the configuration has no URL."""
        url = configuration.get("url")
        if not isinstance(url, str) or not url:
            raise ProviderError(PROVIDER, "model", "not-configured", "model.url is missing: set it to the base URL")
        self._model = str(configuration.get("model") or "")
        self._send_mode = str(configuration.get("metadataSendMode") or "variable")
        self._headers = _headers(configuration.get("headers"), own.api_key if own is not None else "")
        self._servers = servers
        # A plan takes the place of the key, and needs the stored credential that it stands in.
        planned = own is not None and own.plan is not None and own.credential_id
        self._planned = Server(url=url, credential_id=own.credential_id) if own is not None and planned else None
        self._first_token_s = first_token_s(configuration)
        self._client = openai.AsyncOpenAI(
            api_key=_NO_KEY,
            base_url=base_url(url),
            max_retries=0,
            timeout=openai.Timeout(self._first_token_s, connect=CONNECT_S),
            http_client=cast(Any, client),  # the SDK takes httpx clients besides httpx2's, its types do not say so
        )

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
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
        }
        if request.tools:
            body["tools"] = list(request.tools)
        body |= besides(self._send_mode, request.context)
        if self._planned is not None:
            return self._authorised(self._planned, body)
        return stream_chat(self._client, PROVIDER, body, headers=self._headers, first_token_s=self._first_token_s)

    async def _authorised(self, server: Server, body: dict[str, Any]) -> AsyncGenerator[ModelFact, None]:
        given = await headers_of(
            self._servers, server, PROVIDER, "model", source="model", body=b"", method="POST", ours=False
        )
        proof = {name: text for name, text in given.items() if name.lower() == "authorization"}
        headers = {**self._headers, **proof}
        facts = stream_chat(self._client, PROVIDER, body, headers=headers, first_token_s=self._first_token_s)
        async with aclosing(facts):
            async for fact in facts:
                yield fact


def base_url(url: str) -> str:
    """``url`` without the path of the operation, which the SDK appends."""
    return url.rstrip("/").removesuffix(_PATH)


def besides(send_mode: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """What the body carries besides the conversation: ``off`` nothing, ``variable`` the call's objects and
    ``metadata``, ``destructured`` the keys of ``metadata`` at the top instead. No key replaces one of the protocol."""
    if send_mode == "off":
        return {}
    objects = {name: context[name] for name in _OBJECTS if name in context}
    metadata = context.get("metadata")
    if send_mode == "destructured":
        extra = metadata if isinstance(metadata, Mapping) else {}
        return {name: value for name, value in extra.items() if name not in _RESERVED} | objects
    return objects if metadata is None else objects | {"metadata": metadata}


def _headers(configured: object, key: str) -> dict[str, Any]:
    """Configured headers except ``Authorization``: keys belong into credentials, not into an assistant."""
    headers: dict[str, Any] = {}
    if isinstance(configured, Mapping):
        headers = {str(name): str(value) for name, value in configured.items() if str(name).lower() != "authorization"}
    return headers | {"Authorization": f"Bearer {key}" if key else openai.Omit()}
