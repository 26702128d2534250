import io
import json
import logging

from infra.logging import configure


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
