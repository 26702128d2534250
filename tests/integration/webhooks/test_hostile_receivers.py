"""Receivers that are slow, drip, reset, redirect, answer without end, or stand where nobody may connect."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from domain.egress import EgressPolicy
from domain.log.ports import Document, Documents
from domain.server_messages.server import Server
from domain.webhook.deliveries import Delivery
from domain.webhook.origin import origin_of
from domain.webhook.signature import endpoint_id
from infra.egress.sessions import OrganizationSessions
from infra.identifiers import now
from streams.webhooks.credentials import Credentials
from streams.webhooks.due import Due
from streams.webhooks.sender import Sender, Sent, retry_after
from streams.webhooks.signed_access import SignedAccess
from tests.egress_table import SPECIAL, SPELLINGS_OF_LOOPBACK

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = EgressPolicy.parse(["127.0.0.0/8", "::1/128"])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class NoDocuments:
    """Nothing is stored."""

    def get(self, kind: str, originator_id: str, *, org_id: str | None = None) -> Document | None:
        return None


class Scripted(AbstractResolver):
    """A name server that answers with the next list each time, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is open."""


async def send(url: str, *, policy: EgressPolicy = LOOPBACK, resolver: Scripted | None = None, **server: Any) -> Sent:
    """One attempt at ``url``; it must end by itself."""
    sessions = OrganizationSessions(policy, per_host=5, resolver=resolver)
    documents: Documents = NoDocuments()  # type: ignore[assignment]  # nothing else is asked of it
    sender = Sender(sessions, SignedAccess(Credentials(documents, sessions, now), b"s" * 32, "1", now), now)
    delivery = Delivery(
        number=1,
        id="msg_1",
        org_id="org",
        endpoint_id=endpoint_id("org", origin_of(url)),
        origin=origin_of(url),
        about="call",
        sequence=1,
        type="status-update",
        patience="durable",
        event_id="event",
        happened_ms=0,
        due_ms=0,
        state="pending",
        attempts=0,
        base=0,
        replay="",
        failure="",
        status=None,
        detail="",
    )
    given = Server(url=url, **{"timeout_seconds": 60, **server})
    try:
        async with asyncio.timeout(90):
            return await sender.send(Due(delivery=delivery, server=given, body=b'{"message":{}}'), 1)
    finally:
        await sessions.close()


@contextlib.asynccontextmanager
async def behaving(behave: Behave) -> AsyncIterator[str]:
    """A server that takes the request's head and then does as it likes."""
    tasks: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await behave(reader, writer)
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(*pieces: bytes, pause_s: float = 0.0, forever: bytes = b"") -> Behave:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        while forever:
            writer.write(forever)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return behave


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    await asyncio.Event().wait()


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def status(line: str, *headers: str) -> Behave:
    head = "\r\n".join([f"HTTP/1.1 {line}", *headers, "Content-Length: 0"])
    return answering(f"{head}\r\n\r\n".encode())


@pytest.mark.parametrize(
    ("behave", "failure"),
    [
        (answering(OK), ""),
        (silent, "timeout"),
        (answering(b"HTTP/1.1 200 OK\r\n", pause_s=0.05, forever=b"x"), "timeout"),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", pause_s=0.05, forever=b"x"), "timeout"),
        (answering(b"HTTP/1.1 200 OK\r\n\r\n", forever=b"x" * 65536), "oversize"),
        (answering(b"HTTP/1.1 200 OK\r\nx: ", forever=b"x" * 65536), "reset"),
        (answering(b"I speak no HTTP\r\n\r\n"), "reset"),
        (resetting, "reset"),
        (status("301 Moved", "Location: http://169.254.169.254/latest"), "redirect"),
        (status("302 Found", "Location: http://127.0.0.1:1/"), "redirect"),
        (status("307 Temporary", "Location: /elsewhere"), "redirect"),
        (status("308 Permanent", "Location: https://example.com/"), "redirect"),
        (status("410 Gone"), "gone"),
        (status("429 Slow down", "Retry-After: 17"), "throttled"),
        (status("503 Away"), "throttled"),
        (status("404 None"), "status"),
        (status("500 Broken"), "status"),
    ],
)
async def test_every_attempt_ends_and_says_why(behave: Behave, failure: str) -> None:
    async with behaving(behave) as url:
        # Only who is to be given up is given up soon: the others have an answer, however busy this machine is.
        sent = await send(url, timeout_seconds=0.5 if failure == "timeout" else 60)
    assert sent.failure == failure, sent.detail
    assert bool(sent.detail) == bool(failure)


async def test_a_receiver_says_how_long_to_wait_or_to_stop() -> None:
    async with behaving(status("429 Slow down", "Retry-After: 17")) as url:
        assert (await send(url)).retry_after_seconds == 17.0
    async with behaving(status("500 Broken", "Webhook-Delivery: abort-message")) as url:
        assert (await send(url)).aborted


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("Sat, 21 Nov 2026 12:01:00 GMT", 60.0),
        ("Sat, 21 Nov 2020 12:00:00 GMT", 0.0),
        ("soon", None),
        ("\u00b2", None),
        ("Sat, 21 Nov 99999999999999999999 12:00:00 GMT", None),
    ],
)
def test_pauses_are_seconds_or_dates(header: str, seconds: float | None) -> None:
    assert retry_after(header, datetime(2026, 11, 21, 12, tzinfo=UTC)) == seconds


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Any) -> None:
    context = self_signed(tmp_path)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        sent = await send(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert sent.failure == "tls"


async def test_nobody_listens_there() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert (await send(f"http://127.0.0.1:{bound.getsockname()[1]}/")).failure == "connect"


@pytest.mark.parametrize(
    "url",
    [
        *(f"http://{host}/" for host in SPELLINGS_OF_LOOPBACK),
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1:8080/",
        "http://user:secret@example.com/",
        "ftp://example.com/",
    ],
)
async def test_inner_addresses_are_refused_in_every_spelling(url: str) -> None:
    sent = await send(url, policy=EgressPolicy())
    assert sent.failure == "egress_blocked", sent.detail
    assert "secret" not in sent.detail


@pytest.mark.parametrize("address", SPECIAL)
async def test_a_public_name_for_a_special_address_is_refused(address: str) -> None:
    resolver = Scripted([address])
    assert (await send("http://shop.example/", policy=EgressPolicy(), resolver=resolver)).failure == "egress_blocked"


async def test_a_name_server_that_changes_its_mind_leads_nowhere_else() -> None:
    async with behaving(answering(OK)) as url:
        port = url.rsplit(":", 1)[1].partition("/")[0]
        # The first answer would pass the policy, the second is what is connected to: that one is judged.
        policy = EgressPolicy.parse(["127.0.0.2/32"])
        resolver = Scripted(["127.0.0.2"], ["127.0.0.1"])
        first = await send(f"http://shop.example:{port}/", policy=policy, resolver=resolver)
        second = await send(f"http://shop.example:{port}/", policy=policy, resolver=resolver)
    assert (first.failure, second.failure) == ("connect", "egress_blocked")


async def test_tenants_headers_cannot_pass_for_ours() -> None:
    heads: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    headers = {
        "Host": "evil.example",
        "webhook-id": "msg_forged",
        "Callfold-Attempt": "9",
        "x-split": "a\r\nx-injected: 1",
        "x-good": "yes",
        "Authorization": "Basic own",
    }
    async with server:
        await send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", headers=headers)
    (head,) = heads
    assert b"x-good: yes" in head
    assert b"Authorization: Basic own" in head
    for forged in (b"evil.example", b"msg_forged", b"callfold-attempt: 9", b"x-injected"):
        assert forged.lower() not in head.lower()


def self_signed(folder: Any) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.example")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(encoding) + private)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context
