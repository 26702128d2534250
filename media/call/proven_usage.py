"""What a call has used as far as the log proves it, where the process that counted is gone."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from domain.call.events import UsageMetered
from domain.call.state import HandedOver, Live, Said
from domain.call.usage import Usage
from media.call.start import transport_provider
from media.machine.plan import Provider, provider_of
from media.machine.reading import PlanInvalid, Section


def is_metered(usage: Usage) -> bool:
    """Whether the end of a call has been metered."""
    return any(reading.meter == "transport" for reading in usage)


def proven_usage(call: Live, last_beat: datetime | None, price_table: str) -> tuple[UsageMetered, ...]:
    """The readings that the end of ``call`` would have brought: minutes from its start to the last fact that was
    recorded, and the characters that the log has as said by the assistant who has the word.

    What came after the process was last heard of is somebody else's doing, and is not counted. Nothing where the call
    had been metered before its process went.
    """
    if is_metered(call.usage):
        return ()
    until = call.updated_at if last_beat is None else min(call.updated_at, last_beat)
    end_ms = max((until - call.start.clock_origin).total_seconds() * 1000, call.start.at_ms)
    assistant, listening_ms, characters = call.start.assistant, call.start.at_ms, 0
    for entry in call.entries:
        match entry:
            case Said(message=message) if message.role == "assistant":
                characters += len(message.text)
            case HandedOver(activation=activation):
                # Up to here the assistants before were metered when the next one took over.
                assistant, listening_ms, characters = activation.assistant, activation.at_ms, 0
            case _:
                pass
    whole = {"minutes": (end_ms - call.start.at_ms) / 60_000}
    part = {"minutes": max(0.0, end_ms - listening_ms) / 60_000}
    return (
        _reading("transport", Provider(name=transport_provider(call)), whole, price_table),
        _reading("transcriber", _stage(assistant, "transcriber"), part, price_table),
        _reading("voice", _stage(assistant, "voice"), {"characters": float(characters)}, price_table),
        _reading("vapi", Provider(name="vapi"), whole, price_table),
    )


def _stage(assistant: dict[str, Any], name: str) -> Provider:
    try:
        return provider_of(Section(assistant).section(name))
    except PlanInvalid:
        # No call begins with such a configuration; a log of another build may have one.
        return Provider(name="vapi")


def _reading(
    meter: Literal["transport", "transcriber", "voice", "vapi"],
    provider: Provider,
    quantities: dict[str, float],
    price_table: str,
) -> UsageMetered:
    return UsageMetered(
        meter=meter,
        provider=provider.name,
        model=provider.model,
        quantities=quantities,
        price_table=price_table,
        config=provider.config,
    )
