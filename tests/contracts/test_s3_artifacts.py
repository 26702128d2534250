"""The artifact store in a bucket, on an S3 of another make (moto's server over HTTP)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import obstore
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from domain.artifacts import ArtifactsUnavailable
from media.artifacts.s3 import Bucket, S3ArtifactStore
from tests.contracts.artifact_contract import CALL, ArtifactStoreContract, source

SECRET = "a secret access key of nobody"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def bucket(endpoint: str) -> Bucket:
    name = f"recordings-{uuid4()}"
    assert httpx.put(f"{endpoint}/{name}", trust_env=False).status_code == 200
    return Bucket(name=name, endpoint=endpoint, prefix="calls/eu", access_key="AKIDNOBODY", secret_key=SECRET)


class TestS3Artifacts(ArtifactStoreContract):
    @pytest.fixture
    def store(self, bucket: Bucket) -> S3ArtifactStore:
        return S3ArtifactStore(bucket)

    def test_objects_stand_under_the_prefix_with_their_type(
        self, store: S3ArtifactStore, bucket: Bucket, tmp_path: Path
    ) -> None:
        stored = store.put(CALL, "mono-recording", source(tmp_path, b"RIFF"), "audio/wav")

        plain = S3Store(
            bucket.name,
            endpoint=bucket.endpoint,
            region=bucket.region,
            access_key_id=bucket.access_key,
            secret_access_key=bucket.secret_key,
            client_options={"allow_http": True},
        )
        found = obstore.get(plain, f"calls/eu/{stored.location}")
        assert found.attributes["Content-Type"] == "audio/wav"
        assert bytes(found.bytes()) == b"RIFF"

    def test_machines_that_share_the_bucket_share_its_artifacts(
        self, store: S3ArtifactStore, bucket: Bucket, tmp_path: Path
    ) -> None:
        stored = store.put(CALL, "log", source(tmp_path, b"x"), "text/plain")

        with S3ArtifactStore(bucket).open(stored.location) as file:
            assert file.read() == b"x"

    def test_a_presigned_link_needs_no_key_and_says_what_it_is(self, bucket: Bucket, tmp_path: Path) -> None:
        store = S3ArtifactStore(replace(bucket, presigned=True))
        stored = store.put(CALL, "mono-recording", source(tmp_path, b"RIFF"), "audio/wav")

        link = store.link(stored.location, 60)

        assert link is not None
        assert SECRET not in link
        answer = httpx.get(link, trust_env=False)
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"RIFF", "audio/wav")
        assert Path(stored.location).name in answer.headers["content-disposition"]
        assert "X-Amz-Expires=60" in link

    def test_without_the_setting_there_are_no_links_past_us(self, store: S3ArtifactStore, tmp_path: Path) -> None:
        stored = store.put(CALL, "log", source(tmp_path, b"x"), "text/plain")

        assert store.link(stored.location, 60) is None


def test_what_a_bucket_does_not_take_stays_where_it_was(bucket: Bucket, tmp_path: Path) -> None:
    path = source(tmp_path, b"RIFF")
    missing = S3ArtifactStore(replace(bucket, name="no-such-bucket"))

    with pytest.raises(ArtifactsUnavailable, match="no bucket no-such-bucket") as refused:
        missing.put(CALL, "mono-recording", path, "audio/wav")

    assert path.read_bytes() == b"RIFF"
    assert SECRET not in str(refused.value)


def test_while_a_server_is_away_only_the_first_upload_waits_for_it(bucket: Bucket, tmp_path: Path) -> None:
    away = S3ArtifactStore(replace(bucket, endpoint="http://127.0.0.1:9"))
    with pytest.raises(ArtifactsUnavailable, match="did not take"):
        away.put(CALL, "mono-recording", source(tmp_path, b"RIFF"), "audio/wav")

    with pytest.raises(ArtifactsUnavailable, match="a moment ago"):
        away.put(CALL, "mono-recording", source(tmp_path, b"RIFF"), "audio/wav")

    assert (tmp_path / "call.wav").exists()


def test_a_server_that_is_away_is_told_from_an_artifact_that_is_gone(bucket: Bucket) -> None:
    away = S3ArtifactStore(replace(bucket, endpoint="http://127.0.0.1:9"))

    with pytest.raises(ArtifactsUnavailable, match="did not give"):
        away.open(f"{CALL}/log-0000000000000000.txt")
