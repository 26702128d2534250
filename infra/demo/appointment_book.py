"""A dentist's appointment book as a tool server: what a customer of callfold would run on their own machine.

Answers the ``tool-calls`` message that callfold posts and keeps what was booked. Run it alone with
``python -m infra.demo.appointment_book PORT``.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

_FREE = ("nine o'clock", "half past ten", "two o'clock")
_PARTS_OF_DAY = {"morning": "nine o'clock", "afternoon": "two o'clock", "evening": "half past four"}


@dataclass(frozen=True, slots=True)
class Appointment:
    """Day, time and service as they were said."""

    day: str
    time: str
    service: str


@dataclass(slots=True)
class AppointmentBook:
    """Every booking so far; a slot is given away once."""

    booked: list[Appointment] = field(default_factory=list)

    def book(self, arguments: dict[str, Any]) -> str:
        """A sentence to be spoken."""
        asked = str(arguments["time"])
        time = next((slot for part, slot in _PARTS_OF_DAY.items() if part in asked), asked)
        appointment = Appointment(str(arguments["day"]), time, str(arguments.get("service") or "appointment"))
        if any((b.day, b.time) == (appointment.day, appointment.time) for b in self.booked):
            return f"Sorry, {time} on {appointment.day} is taken already."
        self.booked.append(appointment)
        return f"Your {appointment.service} is booked for {appointment.day} at {time}."

    def availability(self, arguments: dict[str, Any]) -> str:
        """A sentence to be spoken."""
        day = str(arguments["day"])
        free = [slot for slot in _FREE if all((b.day, b.time) != (day, slot) for b in self.booked)]
        return f"On {day} you can have {' or '.join(free)}." if free else f"There is nothing free on {day}."

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        """One entry of ``toolCallList`` as one entry of ``results``."""
        function = call.get("function") or call
        actions = {"bookAppointment": self.book, "checkAvailability": self.availability}
        try:
            return {"toolCallId": call["id"], "result": actions[function["name"]](function["arguments"])}
        except (KeyError, TypeError) as error:
            return {"toolCallId": call.get("id"), "error": f"cannot do that: {error!r} is missing or unknown"}


def application(book: AppointmentBook) -> Starlette:
    """``POST /tools`` as callfold calls it, and ``GET /appointments`` for people."""

    async def tools(request: Request) -> JSONResponse:
        message = (await request.json())["message"]
        return JSONResponse({"results": [book.answer(call) for call in message["toolCallList"]]})

    async def appointments(request: Request) -> JSONResponse:
        return JSONResponse([asdict(appointment) for appointment in book.booked])

    return Starlette(routes=[Route("/tools", tools, methods=["POST"]), Route("/appointments", appointments)])


def main() -> None:
    """Serve on loopback at the port given (0, the default, picks a free one); print the URL when it can be reached."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0))
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}/tools\n")
    sys.stdout.flush()
    config = uvicorn.Config(application(AppointmentBook()), log_config=None, access_log=False, lifespan="off")
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
