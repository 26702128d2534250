"""Meter readings: what was used, in the units prices are made of. Money is nobody's business here."""

from __future__ import annotations

from domain.call.events import UsageMetered
from media.machine.inputs import ModelFinished
from media.machine.moment import Moment
from media.machine.state import ModelRequest

CHARACTERS_PER_TOKEN = 4
"""The usual rule of thumb for requests that were aborted before the provider counted."""


def meter_model(m: Moment, request: ModelRequest, finished: ModelFinished | None) -> None:
    """One model request; ``finished`` is ``None`` where it was aborted and has to be estimated."""
    if finished is None:
        prompt, cached = request.prompt_characters // CHARACTERS_PER_TOKEN, 0
        completion = -(-len(request.text) // CHARACTERS_PER_TOKEN)
    else:
        prompt, completion = finished.prompt_tokens, finished.completion_tokens
        cached = finished.cached_prompt_tokens
    quantities = {"promptTokens": prompt, "completionTokens": completion, "cachedPromptTokens": cached}
    model = m.plan.model
    m.record(
        UsageMetered(
            meter="model",
            provider=model.name,
            model=model.model,
            quantities={name: float(value) for name, value in quantities.items()},
            price_table=m.plan.price_table,
            config=model.config,
            turn=request.turn,
        )
    )


def meter_call(m: Moment) -> None:
    """What only the whole call knows: characters spoken, and minutes from the connection to now."""
    plan, connected = m.plan, m.state.connected_ms
    if connected is None:
        return
    minutes = {"minutes": max(0.0, m.now - connected) / 60_000}
    for meter, provider in (("transport", plan.transport), ("transcriber", plan.transcriber)):
        m.record(
            UsageMetered(
                meter="transport" if meter == "transport" else "transcriber",
                provider=provider.name,
                model=provider.model,
                quantities=minutes,
                price_table=plan.price_table,
                config=provider.config,
            )
        )
    m.record(
        UsageMetered(
            meter="voice",
            provider=plan.voice.name,
            model=plan.voice.model,
            quantities={"characters": float(m.state.voice_characters)},
            price_table=plan.price_table,
            config=plan.voice.config,
        )
    )
    m.record(UsageMetered(meter="vapi", provider="vapi", quantities=minutes, price_table=plan.price_table))
