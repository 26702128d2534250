"""What names a Kafka cluster, and what does not."""

from __future__ import annotations

import pytest

from streams.kafka.location import InvalidLocation, KafkaLocation


def test_a_plain_url_names_the_brokers_and_the_usual_topics() -> None:
    location = KafkaLocation.parse("kafka://10.0.0.1:9092,broker-2:19092")
    assert location.bootstrap == ("10.0.0.1:9092", "broker-2:19092")
    assert location.topic("log") == "callfold.log"
    assert location.protocol is None


def test_an_address_without_a_port_gets_kafkas_own() -> None:
    assert KafkaLocation.parse("kafka://broker").bootstrap == ("broker:9092",)
    assert KafkaLocation.parse("kafka://[::1]").bootstrap == ("[::1]:9092",)


def test_a_prefix_keeps_installations_apart() -> None:
    location = KafkaLocation.parse("kafka://broker:9092?topics=staging.callfold")
    assert location.topic("media") == "staging.callfold.media"


@pytest.mark.parametrize(
    "text",
    ["kafka://a:1", "kafka://a:1,b:2?topics=x", "kafka://[::1]:9092?topics=x&protocol=2.2"],
)
def test_a_location_reads_back_from_its_text(text: str) -> None:
    assert str(KafkaLocation.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sqlite", "does not begin with kafka://"),
        ("http://a:1", "does not begin with kafka://"),
        ("kafka://", "an address is empty"),
        ("kafka://a:1,", "an address is empty"),
        ("kafka://a:b", "is not host:port"),
        ("kafka://a:0", "port 0 is not between"),
        ("kafka://a:70000", "port 70000 is not between"),
        ("kafka://user:pw@a:1", "user names and passwords"),
        ("kafka://a:1/log", "nothing may stand after the addresses"),
        ("kafka://a:1?topics=", "is no topic prefix"),
        ("kafka://a:1?topics=a b", "is no topic prefix"),
        ("kafka://a:1?topics=.a", "is no topic prefix"),
        ("kafka://a:1?topic=a", "option 'topic' is not known"),
        ("kafka://a:1?protocol=new", "is not a Kafka version"),
    ],
)
def test_anything_else_is_refused_with_the_expected_form(text: str, said: str) -> None:
    with pytest.raises(InvalidLocation) as refused:
        KafkaLocation.parse(text)
    assert said in str(refused.value)
    assert "kafka://host:port" in str(refused.value)


def test_a_refusal_shows_no_password() -> None:
    with pytest.raises(InvalidLocation) as refused:
        KafkaLocation.parse("kafka://user:hunter2@a:1")
    assert "hunter2" not in str(refused.value)
