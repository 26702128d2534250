"""TLS and SASL against a real broker: what is let in, what is refused, and that each refusal names its setting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion
from msgspec.structs import replace

from infra.kafka.cluster import DevCluster
from streams.kafka.access import OPEN, KafkaAccess
from streams.kafka.clients import admin
from streams.kafka.location import KafkaLocation
from streams.kafka.survey import survey
from streams.kafka.unfit import UnfitCluster
from tests.brokers import fresh_topic, real_cluster
from tests.contracts.kafka_nodes import open_tally_log
from tests.contracts.tally import TALLY, Add, Open

_JAAS = (
    'org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="of the brokers" '
    'user_admin="of the brokers" user_callfold="of callfold";'
)


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority, and the key and certificate of whoever listens at or comes from 127.0.0.1."""

    authority: Path
    certificate: Path
    key: Path
    keystore: Path


def certified(folder: Path) -> Certificates:
    folder.mkdir()
    began, ends = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)

    def signed(name: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, *more: Any) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(began)
            .not_valid_after(ends)
        )
        for extension in more:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM)

    authority, node = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    private = node.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    found = Certificates(*(folder / name for name in ("authority.pem", "certificate.pem", "key.pem", "store.pem")))
    found.authority.write_bytes(signed("authority", authority, authority, x509.BasicConstraints(True, None)))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    found.certificate.write_bytes(signed("node", node, authority, names))
    found.key.write_bytes(private)
    found.keystore.write_bytes(private + found.certificate.read_bytes())
    return found


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certified(tmp_path_factory.mktemp("tls") / "pem")


@pytest.fixture(scope="module")
def known(certificates: Certificates) -> KafkaAccess:
    """As the broker below wants it."""
    return KafkaAccess(
        security="sasl_ssl",
        ca_file=certificates.authority,
        cert_file=certificates.certificate,
        key_file=certificates.key,
        mechanism="PLAIN",
        username="callfold",
        password="of callfold",
    )


@pytest.fixture(scope="module")
def guarded(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, known: KafkaAccess
) -> Iterator[DevCluster]:
    """A broker that wants TLS, a certificate of its clients, and a user name with its password."""
    settings = {
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:SASL_SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.keystore),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.authority),
        "ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.plaintext.plain.sasl.jaas.config": _JAAS,
        "listener.name.plaintext.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
    }
    folder = tmp_path_factory.mktemp("guarded") / "cluster"
    with real_cluster(folder, brokers=1, settings=settings, access=known) as cluster:
        yield cluster


def at(cluster: DevCluster, access: KafkaAccess) -> KafkaLocation:
    return KafkaLocation(tuple(cluster.bootstrap.split(",")), fresh_topic("guarded"), access=access)


async def test_the_log_works_over_tls_with_a_password(guarded: DevCluster, known: KafkaAccess, tmp_path: Path) -> None:
    location = at(guarded, known)
    with closing(open_tally_log(location, tmp_path / "one")) as node:
        await node.execute(TALLY, "a", Open("org-1"))
        await node.execute(TALLY, "a", Add(5))
        with closing(open_tally_log(location, tmp_path / "two")) as other:
            assert other.tail() == node.tail()


def test_a_password_may_be_proven_without_being_sent(guarded: DevCluster, known: KafkaAccess) -> None:
    upserted = UserScramCredentialUpsertion("scrambled", ScramMechanism.SCRAM_SHA_512, "a secret")
    with admin(at(guarded, known)) as client:
        client.alter_user_scram_credentials([upserted])
    scrambled = replace(known, mechanism="SCRAM-SHA-512", username="scrambled", password="a secret")
    assert survey(at(guarded, scrambled), replication=1).brokers == 1
    with pytest.raises(UnfitCluster, match=r"does not let user 'scrambled' in by SCRAM-SHA-512"):
        survey(at(guarded, replace(scrambled, password="another")), replication=1)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": "of nobody"}, "does not let user 'callfold' in by PLAIN .*correct CALLFOLD_KAFKA_USERNAME"),
        ({"mechanism": "SCRAM-SHA-256"}, "does not let user 'callfold' in by SCRAM-SHA-256 .*CALLFOLD_KAFKA_SASL"),
    ],
)
def test_what_a_broker_refuses_is_told_by_its_setting(
    guarded: DevCluster, known: KafkaAccess, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(UnfitCluster, match=said) as refused:
        survey(at(guarded, replace(known, **changed)), replication=1)
    assert "of callfold" not in str(refused.value)
    assert "of nobody" not in str(refused.value)


def test_a_broker_that_is_not_believed_is_not_tried_for_long(
    guarded: DevCluster, known: KafkaAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.kafka.connecting.FIRST_ANSWER_MS", 200)
    monkeypatch.setattr("streams.kafka.connecting.CONNECT_MS", 3_600_000)
    with pytest.raises(UnfitCluster, match=r"certificate of Kafka at .* is not believed .*CALLFOLD_KAFKA_CA_FILE"):
        survey(at(guarded, replace(known, ca_file=None)), replication=1)


def test_a_listener_that_speaks_something_else_is_told_by_the_setting(
    guarded: DevCluster, known: KafkaAccess, kafka_broker: DevCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.kafka.connecting.CONNECT_MS", 700)  # nobody would answer later either
    with pytest.raises(UnfitCluster, match="CALLFOLD_KAFKA_SECURITY=plaintext"):
        survey(at(guarded, OPEN), replication=1)
    with pytest.raises(UnfitCluster, match=r"does not speak TLS|CALLFOLD_KAFKA_SECURITY=sasl_ssl"):
        survey(at(kafka_broker, known), replication=1)
