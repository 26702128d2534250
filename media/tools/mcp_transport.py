"""The guard on outgoing requests under the HTTP client that the MCP library uses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import httpx2


class GuardedMcpTransport(httpx2.AsyncBaseTransport):
    """Sends what the library asks for through ``guarded``, which checks every address that is connected to."""

    def __init__(self, guarded: httpx.AsyncBaseTransport) -> None:
        self._guarded = guarded

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        asked = httpx.Request(
            request.method,
            str(request.url),
            headers=request.headers.raw,
            content=body,
            extensions={"timeout": request.extensions.get("timeout", {})},
        )
        try:
            response = await self._guarded.handle_async_request(asked)
        except httpx.TimeoutException as error:
            raise httpx2.ConnectTimeout(str(error)) from error
        except httpx.HTTPError as error:
            raise httpx2.ConnectError(str(error)) from error
        assert isinstance(response.stream, httpx.AsyncByteStream)
        return httpx2.Response(
            response.status_code, headers=response.headers.raw, stream=_Stream(response.stream), request=request
        )

    async def aclose(self) -> None:
        await self._guarded.aclose()


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._stream:
                yield piece
        except httpx.HTTPError as error:
            raise httpx2.ReadError(str(error)) from error

    async def aclose(self) -> None:
        await self._stream.aclose()
