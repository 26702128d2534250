"""Meter readings: what was used, in the units prices are made of. Money is nobody's business here."""

from __future__ import annotations

from typing import Literal

from domain.call.events import UsageMetered
from media.machine.inputs import ModelFinished
from media.machine.moment import Moment
from media.machine.plan import Provider
from media.machine.state import ModelRequest

CHARACTERS_PER_TOKEN = 4
"""The usual rule of thumb for requests that were aborted before the provider counted."""

WHOLE_CALL_METERS = frozenset({"transport", "transcriber", "voice", "vapi"})
"""What is metered once, at the end of a call or of an assistant's part in it; a model is metered with each request."""


def meter_model(m: Moment, request: ModelRequest, finished: ModelFinished | None) -> None:
    """One model request; ``finished`` is ``None`` where it was aborted and has to be estimated."""
    if finished is None:
        prompt, cached = request.prompt_characters // CHARACTERS_PER_TOKEN, 0
        completion = -(-len(request.text) // CHARACTERS_PER_TOKEN)
    else:
        prompt, completion = finished.prompt_tokens, finished.completion_tokens
        cached = finished.cached_prompt_tokens
    counts = {"promptTokens": prompt, "completionTokens": completion, "cachedPromptTokens": cached}
    quantities = {name: float(count) for name, count in counts.items()}
    _meter(m, "model", m.plan.model, quantities, turn=request.turn)


def meter_call(m: Moment) -> None:
    """What only the whole call knows: characters spoken, and minutes from the connection to now."""
    plan, connected = m.plan, m.state.connected_ms
    if connected is None:
        return
    minutes = {"minutes": max(0.0, m.now - connected) / 60_000}
    _meter(m, "transport", plan.transport, minutes)
    _meter_speech(m, connected)
    _meter(m, "vapi", Provider(name="vapi"), minutes)


def meter_switch(m: Moment) -> None:
    """Another assistant takes over: what the present one's voice and transcriber did is counted up to here."""
    connected = m.state.connected_ms
    if connected is not None:
        _meter_speech(m, connected)
    m.set(voice_characters=0, listening_since_ms=m.now)


def meter_tokens(m: Moment, prompt: int, completion: int) -> None:
    """A question to the model that is no turn of the conversation."""
    if prompt or completion:
        _meter(m, "model", m.plan.model, {"promptTokens": float(prompt), "completionTokens": float(completion)})


def _meter_speech(m: Moment, connected_ms: float) -> None:
    minutes = {"minutes": max(0.0, m.now - max(connected_ms, m.state.listening_since_ms)) / 60_000}
    _meter(m, "transcriber", m.plan.transcriber, minutes)
    _meter(m, "voice", m.plan.voice, {"characters": float(m.state.voice_characters)})


def _meter(
    m: Moment,
    meter: Literal["transport", "transcriber", "model", "voice", "vapi"],
    provider: Provider,
    quantities: dict[str, float],
    *,
    turn: int | None = None,
) -> None:
    m.record(
        UsageMetered(
            meter=meter,
            provider=provider.name,
            model=provider.model,
            quantities=quantities,
            price_table=m.plan.price_table,
            config=provider.config,
            turn=turn,
        )
    )
