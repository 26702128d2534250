"""The egress guard: which addresses are reachable, and that the connection goes to the one that was checked."""

from __future__ import annotations

import gzip
from ipaddress import ip_address

import httpx2
import pytest

from domain.egress import Address, EgressBlocked, EgressPolicy, check_url
from media.egress import client as client_module
from media.egress.client import ANSWER_CAP, GuardedTransport, HttpError, Timeout, client_over, guarded_client
from tests.egress_table import METADATA, PUBLIC, SPECIAL, SPELLINGS_OF_LOOPBACK
from tests.patience import PATIENCE_S
from tests.unit.media.tools.tool_server import tool_server


def test_the_table_is_whole() -> None:
    assert (len(set(SPECIAL)), len(set(PUBLIC))) == (42, 7)


@pytest.mark.parametrize("text", SPECIAL)
def test_what_is_not_public_is_refused_by_default(text: str) -> None:
    with pytest.raises(EgressBlocked):
        EgressPolicy().check("host.example", ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_reachable(text: str) -> None:
    EgressPolicy().check("host.example", ip_address(text))
    assert ip_address(text)


def test_an_allowed_network_is_reachable_and_its_neighbour_is_not() -> None:
    policy = EgressPolicy.parse(["10.1.0.0/16", "::1/128"])
    policy.check("tools", ip_address("10.1.200.7"))
    policy.check("tools", ip_address("::1"))
    policy.check("tools", ip_address("::ffff:10.1.0.1"))
    with pytest.raises(EgressBlocked):
        policy.check("tools", ip_address("10.2.0.1"))


@pytest.mark.parametrize("text", [*METADATA, "::ffff:169.254.169.254"])
def test_metadata_services_stay_refused_even_where_everything_is_allowed(text: str) -> None:
    policy = EgressPolicy.parse(["0.0.0.0/0", "::/0"])
    with pytest.raises(EgressBlocked, match="metadata"):
        policy.check("host.example", ip_address(text))


def test_a_text_that_is_no_network_is_named() -> None:
    with pytest.raises(ValueError, match=r"'lan'.*CIDR"):
        EgressPolicy.parse(["lan"])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com",
        "//example.com/x",
        "http://",
        "http://user:pass@example.com/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://" + "a" * 254 + "/",
        "javascript:alert(1)",
        "http://[::1",
    ],
)
def test_urls_that_are_never_requested(url: str) -> None:
    with pytest.raises(EgressBlocked):
        check_url(url)


def resolver(*answers: list[str]) -> tuple[list[str], object]:
    """Gives the answers in turn, as a rebinding name server would."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[Address]:
        asked.append(host)
        return [ip_address(text) for text in answers[min(len(asked), len(answers)) - 1]]

    return asked, resolve


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    with tool_server() as server:
        server.answer()
        port = httpx2.URL(server.url).port
        asked, resolve = resolver(["127.0.0.1"], ["10.0.0.1"])
        policy = EgressPolicy.parse(["127.0.0.0/8"])
        async with guarded_client(policy, timeout_s=PATIENCE_S, resolve=resolve) as client:  # type: ignore[arg-type]  # a closure
            response = await client.post(f"http://tools.example:{port}/x", content=b"{}")
            assert response.status_code == 200
            assert asked == ["tools.example"]
            assert server.received[0].headers["host"] == f"tools.example:{port}"
            # The name now leads elsewhere: the second request is judged by its own answer.
            with pytest.raises(EgressBlocked):
                await client.post(f"http://tools.example:{port}/x", content=b"{}")


async def test_a_name_with_one_inner_address_among_public_ones_is_refused() -> None:
    _, resolve = resolver(["93.184.216.34", "127.0.0.1"])
    async with guarded_client(EgressPolicy(), timeout_s=PATIENCE_S, resolve=resolve) as client:  # type: ignore[arg-type]  # a closure
        with pytest.raises(EgressBlocked, match=r"mixed\.example"):
            await client.get("http://mixed.example/")


@pytest.mark.parametrize("host", SPELLINGS_OF_LOOPBACK)
async def test_every_spelling_of_loopback_is_refused_by_the_address_it_resolves_to(host: str) -> None:
    async with guarded_client(EgressPolicy(), timeout_s=PATIENCE_S) as client:
        with pytest.raises(EgressBlocked):
            await client.get(f"http://{host}/")


@pytest.mark.parametrize("address", SPECIAL)
async def test_a_public_name_for_a_special_address_is_refused(address: str) -> None:
    _, resolve = resolver([address])
    async with guarded_client(EgressPolicy(), timeout_s=PATIENCE_S, resolve=resolve) as client:  # type: ignore[arg-type]  # a closure
        with pytest.raises(EgressBlocked):
            await client.get("https://shop.example/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_answers_and_not_followed(status: int) -> None:
    with tool_server() as server:
        server.headers["location"] = "http://169.254.169.254/latest/meta-data"
        server.answers.append((status, b""))
        async with guarded_client(EgressPolicy.parse(["127.0.0.0/8"]), timeout_s=PATIENCE_S) as client:
            assert (await client.post(server.url, content=b"{}")).status_code == status
        assert len(server.received) == 1


async def test_a_name_that_does_not_resolve_is_a_connection_error() -> None:
    async def nowhere(host: str, port: int) -> list[Address]:
        raise OSError("no such host")

    async with guarded_client(EgressPolicy(), timeout_s=PATIENCE_S, resolve=nowhere) as client:
        with pytest.raises(httpx2.ConnectError, match=r"missing\.example"):
            await client.get("http://missing.example/")


async def test_a_compressed_answer_is_not_unpacked() -> None:
    with tool_server() as server:
        server.headers["content-encoding"] = "gzip"
        server.answers.append((200, gzip.compress(bytes(50_000_000))))
        async with guarded_client(EgressPolicy.parse(["127.0.0.0/8"]), timeout_s=PATIENCE_S) as client:
            with pytest.raises(httpx2.DecodingError, match="gzip"):
                await client.post(server.url, content=b"{}")
        assert server.received[0].headers["accept-encoding"] == "identity"


async def test_an_answer_is_taken_up_to_a_limit() -> None:
    with tool_server() as server:
        server.answers.append((200, bytes(ANSWER_CAP)))
        server.answers.append((200, bytes(ANSWER_CAP + 1)))
        async with guarded_client(EgressPolicy.parse(["127.0.0.0/8"]), timeout_s=PATIENCE_S) as client:
            assert len((await client.post(server.url, content=b"{}")).content) == ANSWER_CAP
            with pytest.raises(httpx2.RemoteProtocolError, match="longer"):
                await client.post(server.url, content=b"{}")


async def test_header_values_go_out_in_utf_8() -> None:
    with tool_server() as server:
        async with guarded_client(EgressPolicy.parse(["127.0.0.0/8"]), timeout_s=PATIENCE_S) as client:
            await client.post(server.url, headers={"X-Shop": "Zürich 店"}, content=b"{}")
        async with client_over(
            GuardedTransport(EgressPolicy.parse(["127.0.0.0/8"])), timeout=None, headers={"X-Shop": "Zürich 店"}
        ) as client:
            await client.post(server.url, content=b"{}")
        received = [request.headers["x-shop"].encode("latin-1").decode() for request in server.received]
    assert received == ["Zürich 店", "Zürich 店"]


@pytest.mark.parametrize("headers", [{"X-Zürich": "1"}, {"X-Shop": "a\r\nX-Other: b"}, {"X-Shop": "\ud800"}])
async def test_a_header_that_cannot_be_sent_fails_as_requests_do(headers: dict[str, str]) -> None:
    with tool_server() as server:
        async with guarded_client(EgressPolicy.parse(["127.0.0.0/8"]), timeout_s=PATIENCE_S) as client:
            with pytest.raises(HttpError):
                await client.post(server.url, headers=headers, content=b"{}")
        assert server.received == []


async def test_connections_are_kept_for_the_hosts_that_were_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MOST_HOSTS", 2)
    closed: list[str] = []
    with tool_server() as server:
        server.answer()
        port = httpx2.URL(server.url).port
        _, resolve = resolver(["127.0.0.1"])
        transport = GuardedTransport(EgressPolicy.parse(["127.0.0.0/8"]), resolve=resolve)  # type: ignore[arg-type]  # a closure
        async with client_over(transport, timeout=Timeout(PATIENCE_S)) as client:

            async def ask(name: str) -> None:
                await client.post(f"http://{name}.example:{port}/x", content=b"{}")

            def watch(name: str) -> None:
                inner = transport._by_host[f"{name}.example"].transport
                close = inner.aclose

                async def noted() -> None:
                    closed.append(name)
                    await close()

                monkeypatch.setattr(inner, "aclose", noted)

            async with client.stream("POST", f"http://held.example:{port}/x", content=b"{}") as held:
                watch("held")
                for name in ("a", "b", "c"):
                    await ask(name)
                    watch(name)
                assert closed == ["a", "b"], "whose answer is being read is kept"
                await held.aread()
            await ask("c")
            await ask("d")
            assert closed == ["a", "b", "held"]
            await ask("c")
            await ask("e")
            assert closed == ["a", "b", "held"]
            assert set(transport._by_host) == {"c.example", "e.example"}
    assert sorted(closed) == ["a", "b", "c", "held"]
