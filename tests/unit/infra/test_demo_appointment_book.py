from typing import Any

import httpx
import pytest

from infra.demo.appointment_book import AppointmentBook, application


def _call(name: str, **arguments: str) -> dict[str, Any]:
    return {"id": "call-1", "type": "function", "function": {"name": name, "arguments": arguments}}


async def _post(book: AppointmentBook, call: dict[str, Any]) -> dict[str, Any]:
    transport = httpx.ASGITransport(application(book))
    async with httpx.AsyncClient(transport=transport, base_url="http://book") as client:
        answer = await client.post("/tools", json={"message": {"type": "tool-calls", "toolCallList": [call]}})
        assert answer.status_code == 200
        result: dict[str, Any] = answer.json()["results"][0]
        return result


async def test_a_booking_is_confirmed_in_words_and_kept() -> None:
    book = AppointmentBook()

    answer = await _post(book, _call("bookAppointment", day="Tuesday", time="morning", service="cleaning"))

    assert answer == {"toolCallId": "call-1", "result": "Your cleaning is booked for Tuesday at nine o'clock."}
    assert [(b.day, b.time) for b in book.booked] == [("Tuesday", "nine o'clock")]


async def test_a_slot_is_given_away_once() -> None:
    book = AppointmentBook()
    await _post(book, _call("bookAppointment", day="Tuesday", time="morning"))

    again = await _post(book, _call("bookAppointment", day="Tuesday", time="morning"))
    free = await _post(book, _call("checkAvailability", day="Tuesday"))

    assert "taken already" in again["result"]
    assert free["result"] == "On Tuesday you can have half past ten or two o'clock."
    assert len(book.booked) == 1


@pytest.mark.parametrize("call", [_call("pullTooth", day="Tuesday"), _call("bookAppointment", day="Tuesday")])
async def test_what_it_cannot_do_is_an_error_the_model_can_read(call: dict[str, Any]) -> None:
    answer = await _post(AppointmentBook(), call)

    assert answer["toolCallId"] == "call-1"
    assert "cannot do that" in answer["error"]
