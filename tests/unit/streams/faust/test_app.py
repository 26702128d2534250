"""A Faust application that is quiet and safe, however the brokers are spoken to."""

from __future__ import annotations

import ssl
from pathlib import Path

from faust.auth import SASLCredentials, SSLCredentials

from streams.faust.app import quiet_app
from streams.kafka.access import KafkaAccess
from streams.kafka.location import KafkaLocation


def test_it_serves_nothing_makes_no_topics_and_writes_only_where_it_may(tmp_path: Path) -> None:
    app = quiet_app(KafkaLocation(("a:1", "b:2"), "acme"), "live-figures", tmp_path / "faust")
    settings = app.conf
    assert settings.id == "acme.live-figures"
    assert [str(url) for url in settings.broker] == ["kafka://a:1", "kafka://b:2"]
    assert not settings.web_enabled
    assert not settings.topic_allow_declare
    assert settings.topic_disable_leader
    assert settings.broker_session_timeout == 15
    assert settings.consumer_auto_offset_reset == "earliest"
    assert settings.producer_acks == -1
    assert Path(settings.tabledir).is_relative_to(tmp_path)
    assert not list(tmp_path.iterdir())


def spoken(access: KafkaAccess, folder: Path) -> object:
    return quiet_app(KafkaLocation(("a:1",), access=access), "live-figures", folder).conf.broker_credentials


def test_brokers_are_spoken_to_as_by_every_other_client(tmp_path: Path) -> None:
    assert spoken(KafkaAccess(), tmp_path) is None
    encrypted = spoken(KafkaAccess(security="ssl"), tmp_path)
    assert isinstance(encrypted, SSLCredentials)
    assert encrypted.context.verify_mode is ssl.CERT_REQUIRED
    known = spoken(KafkaAccess(security="sasl_ssl", username="callfold", password="hush"), tmp_path)
    assert isinstance(known, SASLCredentials)
    assert (known.username, known.password, known.mechanism.value) == ("callfold", "hush", "SCRAM-SHA-512")
    assert known.protocol.value == "SASL_SSL"
    assert known.ssl_context is not None
