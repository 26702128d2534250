import io
import json
import logging

import pytest

from infra.logging import OnceInAWhile, configure


def test_a_json_line_is_an_event_name_with_its_fields() -> None:
    stream = io.StringIO()
    configure("info", "auto", stream)

    logging.getLogger("media.call").info("call.claimed", extra={"call_id": "c1", "lease_s": 5.0})

    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "info", "logger": "media.call", "event": "call.claimed", "call_id": "c1", "lease_s": 5.0}


def test_a_failure_carries_its_trace() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)

    try:
        raise ValueError("no such position")
    except ValueError:
        logging.getLogger("streams").exception("processor.failed", extra={"processor": "calls"})

    line = json.loads(stream.getvalue())
    assert line["processor"] == "calls"
    assert "ValueError: no such position" in line["error"]


def test_people_get_one_readable_line() -> None:
    stream = io.StringIO()
    configure("debug", "console", stream)

    logging.getLogger("media").warning("call.refused", extra={"reason": "full"})

    assert stream.getvalue().rstrip().endswith("warning call.refused reason=full")


def test_lines_below_the_level_and_library_chatter_are_left_out() -> None:
    stream = io.StringIO()
    configure("info", "json", stream)

    logging.getLogger("media").debug("frame.sent")
    for client in ("httpx", "httpx2"):
        logging.getLogger(client).info("HTTP Request: POST http://tools?token=secret")
    logging.getLogger("uvicorn.error").info("Started server process")

    assert stream.getvalue() == ""


def test_each_failed_attempt_of_kafkas_client_is_told_at_level_debug_only() -> None:
    lines = {}
    for level in ("info", "debug"):
        stream = io.StringIO()
        configure(level, "json", stream)
        logging.getLogger("kafka.net.manager").error("Connection failed")
        logging.getLogger("streams.log.kafka").warning("log.not_read", extra={"reason": "no broker answers"})
        lines[level] = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]

    assert lines == {"info": ["log.not_read"], "debug": ["Connection failed", "log.not_read"]}


def test_what_fausts_client_says_again_and_again_is_told_once_a_minute_with_how_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, times_s = io.StringIO(), [0.0]
    configure("info", "json", stream)
    (handler,) = logging.getLogger().handlers
    (installed,) = handler.filters
    assert isinstance(installed, OnceInAWhile)
    monkeypatch.setattr(installed, "_clock", lambda: times_s[-1])

    client = logging.getLogger("aiokafka")
    for second in (0.0, 1.0, 59.0, 61.0):
        times_s.append(second)
        for broker in (1, 2):
            client.error("Unable connect to node with id %s", broker)
        logging.getLogger("streams.faust").warning("faust.waiting")
    client.error("Unable to update metadata from %s", [1, 2])

    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    of_client = [(line["event"], line.get("left_out")) for line in told if line["logger"] == "aiokafka"]
    assert of_client == [
        ("Unable connect to node with id 1", None),
        ("Unable connect to node with id 1", 5),
        ("Unable to update metadata from [1, 2]", None),
    ]
    assert [line["event"] for line in told if line["logger"] == "streams.faust"] == ["faust.waiting"] * 4
