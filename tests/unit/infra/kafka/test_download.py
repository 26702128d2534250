"""Files arrive whole and right, or not at all, and a person learns why."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from infra.kafka.distribution import Artifact
from infra.kafka.download import download, matches
from infra.kafka.errors import ChecksumMismatch, DownloadFailed

Answer = Callable[[httpx2.Request], httpx2.Response]


def artifact(name: str, content: bytes) -> Artifact:
    return Artifact(f"org.example:{name}:1", hashlib.sha256(content).hexdigest(), len(content))


CONTENTS = {f"part-{number}": bytes([number]) * 100_000 for number in range(12)}
ARTIFACTS = [artifact(name, content) for name, content in CONTENTS.items()]


def serving(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, content=CONTENTS[request.url.path.split("/")[-3]])


class Fetching:
    """A folder, and what was reported and waited for while fetching into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.received = 0
        self.pauses: list[float] = []

    def __call__(self, answer: Answer, artifacts: list[Artifact] = ARTIFACTS) -> None:
        transport = httpx2.MockTransport(answer)
        download(artifacts, self.folder, self._report, transport=transport, pause=self.pauses.append)

    def _report(self, size: int) -> None:
        self.received += size

    @property
    def there(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def fetch(tmp_path: Path) -> Fetching:
    return Fetching(tmp_path)


def test_everything_arrives_and_is_counted(fetch: Fetching) -> None:
    fetch(serving)

    assert fetch.there == {each.file_name for each in ARTIFACTS}
    assert all(matches(each, fetch.folder) for each in ARTIFACTS)
    assert fetch.received == sum(map(len, CONTENTS.values()))
    assert fetch.pauses == []


def test_another_file_under_the_right_name_is_refused_and_not_kept(fetch: Fetching) -> None:
    with pytest.raises(ChecksumMismatch, match=r"part-0-1\.jar is not the file that callfold pinned"):
        fetch(lambda _: httpx2.Response(200, content=b"something else"), ARTIFACTS[:1])

    assert fetch.there == set()
    assert fetch.received == 0
    assert fetch.pauses == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(fetch: Fetching, status: int) -> None:
    refusals = iter([status, status])

    def answer(request: httpx2.Request) -> httpx2.Response:
        refused = next(refusals, None)
        return httpx2.Response(refused) if refused else serving(request)

    fetch(answer, ARTIFACTS[:1])

    assert fetch.there == {ARTIFACTS[0].file_name}
    assert len(fetch.pauses) == 2
    assert fetch.pauses[0] < fetch.pauses[1]


def test_a_connection_that_breaks_in_the_middle_leaves_nothing_behind(fetch: Fetching) -> None:
    class Breaking(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"\x00" * 70_000
            raise httpx2.ReadError("connection reset")

    answers = iter([httpx2.Response(200, stream=Breaking()), None])
    fetch(lambda request: next(answers) or serving(request), ARTIFACTS[:1])

    assert fetch.there == {ARTIFACTS[0].file_name}
    assert fetch.received == len(CONTENTS["part-0"])


def test_without_network_the_sentence_says_what_to_do(fetch: Fetching) -> None:
    def answer(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("Name or service not known")

    with pytest.raises(DownloadFailed) as refused:
        fetch(answer, ARTIFACTS[:1])

    sentence = str(refused.value)
    assert "Name or service not known" in sentence
    assert "HTTPS_PROXY" in sentence
    assert str(fetch.folder) in sentence
    assert len(fetch.pauses) == 3


def test_a_file_that_is_not_published_is_not_asked_for_again(fetch: Fetching) -> None:
    with pytest.raises(DownloadFailed, match="the server answered 404"):
        fetch(lambda _: httpx2.Response(404), ARTIFACTS[:1])

    assert fetch.pauses == []


def test_a_folder_that_cannot_be_written_is_named(fetch: Fetching) -> None:
    fetch.folder = fetch.folder / "absent"

    with pytest.raises(DownloadFailed, match=r"could not write .* into .*absent: No such file or directory"):
        fetch(serving, ARTIFACTS[:1])


def test_a_changed_file_no_longer_matches(fetch: Fetching) -> None:
    fetch(serving, ARTIFACTS[:1])
    (fetch.folder / ARTIFACTS[0].file_name).write_bytes(b"\x00" * 99_999 + b"\x01")

    assert not matches(ARTIFACTS[0], fetch.folder)
    assert not matches(ARTIFACTS[1], fetch.folder)
