"""Settings of TLS and SASL that do not go together are told before any broker is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.settings import SettingsInvalid, load
from streams.kafka.access import InvalidAccess, KafkaAccess


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ca_file": Path("a.pem")}, "CALLFOLD_KAFKA_CA_FILE is of no use with CALLFOLD_KAFKA_SECURITY=plaintext"),
        (
            {"security": "ssl", "ca_file": Path("absent.pem")},
            "CALLFOLD_KAFKA_CA_FILE=absent.pem cannot be used: No such",
        ),
        ({"security": "ssl", "ca_file": Path(__file__)}, "CALLFOLD_KAFKA_CA_FILE=.* name a file of PEM certificates"),
        ({"security": "ssl", "cert_file": Path("a.pem")}, "CALLFOLD_KAFKA_KEY_FILE is missing"),
        ({"security": "ssl", "key_file": Path("a.pem")}, "CALLFOLD_KAFKA_CERT_FILE is missing"),
        (
            {"security": "ssl", "cert_file": Path("absent.pem"), "key_file": Path("absent.pem")},
            "CALLFOLD_KAFKA_CERT_FILE=absent.pem with CALLFOLD_KAFKA_KEY_FILE=absent.pem cannot be used: No such file",
        ),
        ({"security": "sasl_ssl", "password": "x"}, "CALLFOLD_KAFKA_USERNAME is missing"),
        ({"security": "sasl_plaintext", "username": "x"}, "CALLFOLD_KAFKA_PASSWORD is missing"),
        ({"security": "ssl", "username": "x"}, "user name or password is of no use with CALLFOLD_KAFKA_SECURITY=ssl"),
    ],
)
def test_parts_that_do_not_go_together_are_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidAccess, match=said):
        KafkaAccess(**given).check()


def test_settings_carry_it_to_where_the_log_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LOG": "kafka://a:9093",
        "KAFKA_SECURITY": "sasl_plaintext",
        "KAFKA_SASL": "SCRAM-SHA-256",
        "KAFKA_USERNAME": "callfold",
        "KAFKA_PASSWORD": "hunter2",
    }.items():
        monkeypatch.setenv(f"CALLFOLD_{name}", value)
    settings = load()
    assert settings.kafka is not None
    assert settings.kafka.access == KafkaAccess(
        security="sasl_plaintext", mechanism="SCRAM-SHA-256", username="callfold", password="hunter2"
    )
    assert "hunter2" not in f"{settings.kafka} {settings.kafka!r} {settings!r}"


def test_settings_refuse_what_does_not_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLFOLD_LOG", "kafka://a:9093")
    monkeypatch.setenv("CALLFOLD_KAFKA_SECURITY", "sasl_ssl")
    with pytest.raises(SettingsInvalid, match="CALLFOLD_KAFKA_USERNAME is missing"):
        load()
    monkeypatch.delenv("CALLFOLD_KAFKA_SECURITY")
    monkeypatch.setenv("CALLFOLD_REPLICA_DAYS", "30")
    with pytest.raises(SettingsInvalid, match="CALLFOLD_REPLICA_DAYS needs CALLFOLD_ARCHIVE_DIR"):
        load()
