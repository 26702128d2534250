"""Answers without an end of their own: what comes, a sign of life where nothing does, the end when the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

T = TypeVar("T")


async def with_heartbeats(
    items: AsyncIterator[T], *, every_s: float, closing: asyncio.Event
) -> AsyncGenerator[T | None, None]:
    """``None`` once ``items`` is being asked, then what it gives, and ``None`` whenever it gave nothing for so long.

    It ends with ``items``, or when ``closing`` is set. Use it with ``aclosing``: ``items`` is closed along with it.
    """
    closed = asyncio.ensure_future(closing.wait())
    pending = asyncio.ensure_future(_next(items))
    try:
        # Whatever it does before it waits for the first time is done by then: it misses nothing from here on.
        await asyncio.sleep(0)
        yield None
        while True:
            await asyncio.wait({pending, closed}, timeout=every_s, return_when=asyncio.FIRST_COMPLETED)
            if closed.done():
                return
            if not pending.done():
                yield None
                continue
            item = pending.result()
            if item is None:
                return
            pending = asyncio.ensure_future(_next(items))
            yield item
    finally:
        closed.cancel()
        pending.cancel()
        await asyncio.gather(closed, pending, return_exceptions=True)
        if isinstance(items, AsyncGenerator):
            await items.aclose()


async def _next(items: AsyncIterator[T]) -> T | None:
    """``None`` where there is no other."""
    return await anext(items, None)
