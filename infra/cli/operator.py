"""The operator's routes as a command uses them, over whatever carries HTTP to them."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx2

from infra.cli.failure import CommandFailed

Json = dict[str, Any]

_PAGE = 1000
_TIMEOUT = httpx2.Timeout(30.0, read=600.0)
"""A rebuild answers when it is done."""


class Operator:
    """``client`` reaches the routes and carries the operator's token; ``place`` says where that is, in words.

    ``live`` is false where nothing else can append while this command runs: then following ends at the log's end.
    Every method raises ``CommandFailed`` with the system's own reason.
    """

    def __init__(
        self, client: httpx2.AsyncClient, *, place: str, live: bool, projector: Operator | None = None
    ) -> None:
        self._client = client
        self.place = place
        self.live = live
        self.projector = projector
        """The process that fills the tables, where the main one does not."""

    async def organizations(self) -> list[Json]:
        """All of them, newest first: ``id``, ``name``, ``createdAt``, ``keys`` (never the keys themselves)."""
        found: dict[str, Json] = {}
        for passed_over in itertools.count(0, _PAGE):
            params = {"limit": _PAGE, "offset": passed_over}
            page = await self._list("GET", "/operator/organizations", params=params)
            # Where one is founded meanwhile, the last of the page before comes again.
            found.update((organization["id"], organization) for organization in page)
            if len(page) < _PAGE:
                break
        return list(found.values())

    async def create_organization(self, name: str) -> Json:
        """``id``, ``privateKey``, ``publicKey``; the keys are shown this once."""
        return await self._object("POST", "/operator/organizations", json={"name": name})

    async def seal_secrets(self) -> dict[str, int]:
        """How many configurations of each kind were written again under the key that there is now."""
        sealed: dict[str, int] = (await self._object("POST", "/operator/secrets/seal"))["sealed"]
        return sealed

    async def calls(self, *, limit: int, status: Sequence[str] = ()) -> list[Json]:
        """Calls of every organisation as the API shows them, newest first."""
        return await self._list("GET", "/operator/calls", params=_given(limit=limit, status=",".join(status)))

    async def call(self, call_id: str) -> Json:
        """One call as the API shows it."""
        return await self._object("GET", f"/operator/calls/{call_id}")

    async def call_state(self, call_id: str) -> Json:
        """``version`` and ``hash`` of what the node keeps of a call, to compare with other nodes or the log itself."""
        return await self._object("GET", f"/operator/calls/{call_id}/state")

    async def events(
        self, *, after: str = "0:0", limit: int = 100, originator: str | None = None, types: Sequence[str] = ()
    ) -> list[Json]:
        """``position, id, type, v, originatorId, originatorVersion, time, data`` in log order."""
        params = _given(after=after, limit=limit, originator=originator, types=",".join(types))
        return await self._list("GET", "/operator/events", params=params)

    async def all_events(self, *, originator: str, types: Sequence[str] = ()) -> list[Json]:
        """Every event of one call, assistant or organisation."""
        found: list[Json] = []
        while page := await self.events(
            after=found[-1]["position"] if found else "0:0", limit=_PAGE, originator=originator, types=types
        ):
            found += page
        return found

    async def follow(
        self, *, after: str, originator: str | None = None, types: Sequence[str] = ()
    ) -> AsyncIterator[Json]:
        """Events behind ``after`` as they are appended; only those there are when nothing can append."""
        if not self.live:
            while page := await self.events(after=after, limit=_PAGE, originator=originator, types=types):
                for event in page:
                    yield event
                after = page[-1]["position"]
            return
        params = _given(follow="true", after=after, originator=originator, types=",".join(types))
        try:
            async with self._client.stream("GET", "/operator/events", params=params) as response:
                if response.is_error:
                    await response.aread()
                    raise _failure(response)
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        yield json.loads(line.removeprefix("data: "))
        except httpx2.TransportError as error:
            raise CommandFailed(f"the system at {self.place} does not answer any more ({error or 'closed'})") from None

    async def follow_all(
        self, *, after: Sequence[str], originator: str | None = None, types: Sequence[str] = ()
    ) -> AsyncIterator[Json]:
        """The same for several shards at once, from a position in each; events of different shards as they come."""
        came: asyncio.Queue[Json | BaseException | None] = asyncio.Queue()

        async def carry(start: str) -> None:
            try:
                async for event in self.follow(after=start, originator=originator, types=types):
                    await came.put(event)
            except Exception as problem:
                await came.put(problem)
            else:
                await came.put(None)

        carrying = [asyncio.create_task(carry(start)) for start in after]
        try:
            left = len(carrying)
            while left:
                event = await came.get()
                if isinstance(event, BaseException):
                    raise event
                if event is None:
                    left -= 1
                else:
                    yield event
        finally:
            for task in carrying:
                task.cancel()

    async def heads(self) -> list[str]:
        """The last position of each shard of the log."""
        return [str(head) for head in (await self.status())["heads"]]

    async def status(self) -> Json:
        """``version, ready, reason, head, heads, activeCalls, publicUrl, time``."""
        return await self._object("GET", "/operator/status")

    async def sql(self, statement: str, *, limit: int, org_id: str | None = None) -> Json:
        """``columns, types, rows, elapsedMs``."""
        narrowed = {} if org_id is None else {"orgId": org_id}
        return await self._object("POST", "/operator/sql", json={"statement": statement, "limit": limit, **narrowed})

    async def rebuild(self, projection: str | None, version: int | None = None, *, drop_old: bool = False) -> Json:
        """Make the tables again from position 0; says what was rebuilt and whether it equals what was there."""
        asked = _given(projection=projection, version=version, dropOld=drop_old or None)
        return await self._object("POST", "/operator/rebuild", json=asked)

    async def rebuild_progress(self) -> Json:
        """``running, events, totalEvents, seconds`` of the rebuild that runs."""
        return await self._object("GET", "/operator/rebuild")

    async def drop_replaced(self) -> Json:
        """Drop what rebuilds have replaced; ``dropped`` are the tables that there were."""
        return await self._object("DELETE", "/operator/rebuild")

    async def dead_letters(self) -> list[Json]:
        """Events whose processor failed, and those held behind them."""
        return await self._list("GET", "/operator/dead-letters")

    async def retry_dead_letters(self, processor: str, originator: str) -> Json:
        """Give an originator's held events to the processor again, in order."""
        held = {"processor": processor, "originator": originator}
        return await self._object("POST", "/operator/dead-letters/retry", json=held)

    async def drop_dead_letters(self, processor: str, originator: str) -> Json:
        """Give up on an originator's held events."""
        held = {"processor": processor, "originator": originator}
        return await self._object("POST", "/operator/dead-letters/drop", json=held)

    async def webhooks(self, organization: str, method: str, path: str, **request: Any) -> Any:
        """What the webhook routes answer for an organisation; where there is only one, it need not be named."""
        if not organization:
            known = await self.organizations()
            if len(known) != 1:
                raise CommandFailed(f"there are {len(known)} organizations; name one with --org")
            organization = known[0]["id"]
        return await self._answer(method, f"/operator/organizations/{organization}/webhooks{path}", **request)

    async def _object(self, method: str, path: str, **request: Any) -> Json:
        answer: Json = await self._answer(method, path, **request)
        return answer

    async def _list(self, method: str, path: str, **request: Any) -> list[Json]:
        answer: list[Json] = await self._answer(method, path, **request)
        return answer

    async def _answer(self, method: str, path: str, **request: Any) -> Any:
        try:
            response = await self._client.request(method, path, **request)
        except httpx2.TransportError as error:
            raise CommandFailed(
                f"the system at {self.place} does not answer ({error or type(error).__name__})"
            ) from None
        if response.is_error:
            raise _failure(response)
        return response.json()


def client(url: str, token: str, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """A client that carries the operator's token. Never goes through a proxy: the system runs on this machine."""
    return httpx2.AsyncClient(
        base_url=url,
        headers={"authorization": f"Bearer {token}"},
        timeout=_TIMEOUT,
        transport=transport,
        trust_env=False,
    )


def _given(**parameters: Any) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value not in (None, "")}


def _failure(response: httpx2.Response) -> CommandFailed:
    """The system's own words for what is wrong and what to do."""
    try:
        body = response.json()
        message, detail = body["message"], body.get("detail") or ""
    except (ValueError, KeyError, TypeError):
        return CommandFailed(f"the system answered {response.status_code}: {response.text[:200]}")
    text = "; ".join(message) if isinstance(message, list) else str(message)
    told = not detail or detail in text or body.get("code") == "VALIDATION_FAILED"  # whose advice is about requests
    sentence = text if told else f"{text} {detail}"
    return CommandFailed(sentence, code=3 if response.status_code == 404 else 1)
