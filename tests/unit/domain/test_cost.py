from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.call.aggregate import CALL
from domain.call.events import UsageMetered
from domain.call.state import Queued
from domain.pricing.cost import call_cost
from domain.pricing.tables import CURRENT_PRICE_TABLE, PRICE_TABLES
from domain.pricing.wire import cost_breakdown, cost_rows
from tests.unit.domain.call_facts import CREATED, PRICES, tokens
from tests.unit.domain.specification import fold

amounts = st.floats(0, 100_000, allow_nan=False) | st.integers(-5, 100_000).map(float)
token_readings = st.builds(
    tokens,
    amounts,
    amounts,
    amounts,
    provider=st.sampled_from(["openai", "vapi", "anthropic"]),
    model=st.sampled_from(["gpt-4o", "gpt-4.1-mini", "unheard-of"]),
    price_table=st.sampled_from([PRICES, "1999-01-01"]),
)


def metered(meter: Any, provider: str, unit: str, amount: float, model: str = "") -> UsageMetered:
    return UsageMetered(meter=meter, provider=provider, model=model, quantities={unit: amount}, price_table=PRICES)


minute_readings = st.builds(
    metered,
    st.sampled_from(["transport", "vapi", "transcriber"]),
    st.sampled_from(["vapi", "vapi.websocket", "deepgram"]),
    st.just("minutes"),
    amounts,
    st.sampled_from(["", "nova-2"]),
)
voice_readings = st.builds(
    metered, st.just("voice"), st.sampled_from(["cartesia", "vapi"]), st.just("characters"), amounts, st.just("sonic-2")
)
readings = st.lists(token_readings | minute_readings | voice_readings, max_size=12)


@for_all(readings)
def test_the_total_is_the_sum_of_the_rows_and_the_breakdown_agrees(usage: Sequence[UsageMetered]) -> None:
    cost = call_cost(usage)
    rows, breakdown = cost_rows(cost), cost_breakdown(cost)
    assert cost.total_usd == sum(row.usd for row in cost.rows)
    assert breakdown["total"] == pytest.approx(sum(row["cost"] for row in rows))
    for kind, type_ in (
        ("transport", "transport"),
        ("stt", "transcriber"),
        ("llm", "model"),
        ("tts", "voice"),
        ("vapi", "vapi"),
    ):
        assert breakdown[kind] == pytest.approx(sum(row["cost"] for row in rows if row["type"] == type_))
    assert breakdown["llmPromptTokens"] == pytest.approx(sum(row.get("promptTokens", 0) for row in rows))
    assert breakdown["ttsCharacters"] == pytest.approx(sum(row.get("characters", 0) for row in rows))


@for_all(readings, token_readings | minute_readings | voice_readings)
def test_a_further_reading_never_lowers_the_cost(usage: list[UsageMetered], further: UsageMetered) -> None:
    assert call_cost([*usage, further]).total_usd >= call_cost(usage).total_usd - Decimal("1e-9")


@for_all(readings)
def test_every_cent_follows_from_the_events_and_the_state_agrees(usage: list[UsageMetered]) -> None:
    state = fold(CALL, [CREATED, *usage])
    assert isinstance(state, Queued)
    assert call_cost(state.usage) == call_cost(usage)


@for_all(readings)
def test_rows_are_one_per_meter_provider_model_and_table(usage: Sequence[UsageMetered]) -> None:
    kinds = [(row.meter, row.provider, row.model, row.price_table) for row in call_cost(usage).rows]
    assert sorted(kinds) == sorted({(r.meter, r.provider, r.model, r.price_table) for r in usage})


def test_amounts_and_quantities_are_free_of_the_noise_of_floating_point() -> None:
    usage = [metered("vapi", "vapi", "minutes", minutes) for minutes in (0.1, 0.2, 49.2150000001 / 60, 1 / 3)]
    rows = cost_rows(call_cost(usage))
    breakdown = cost_breakdown(call_cost(usage))
    for amount in (rows[0]["cost"], rows[0]["minutes"], breakdown["total"]):
        assert len(repr(amount).partition(".")[2]) <= 10
    assert breakdown["total"] == rows[0]["cost"] == pytest.approx(0.05 * rows[0]["minutes"], abs=1e-10)


@for_all(readings)
def test_the_shown_total_is_the_sum_of_the_shown_rows_to_the_last_place(usage: Sequence[UsageMetered]) -> None:
    cost = call_cost(usage)
    assert cost_breakdown(cost)["total"] == float(sum(Decimal(repr(row["cost"])) for row in cost_rows(cost)))


@pytest.mark.parametrize(
    ("reading", "usd"),
    [
        (tokens(1_000_000, 0), "2.5"),
        (tokens(1_000_000, 0, 1_000_000), "1.25"),
        (tokens(1_000_000, 100_000, 400_000), "3.0"),
        (tokens(10, 0, 1_000_000), "0.0000125"),
        (tokens(1_000_000, 1_000_000, model="gpt-4.1-nano"), "0.5"),
        (tokens(1_000_000, 1_000_000, provider="vapi", model="guided"), "0"),
        (metered("vapi", "vapi", "minutes", 3.0), "0.15"),
        (metered("transport", "vapi.websocket", "minutes", 3.0), "0"),
        (metered("transcriber", "vapi", "minutes", 3.0), "0"),
        (metered("transcriber", "deepgram", "minutes", 10.0, "nova-2"), "0.058"),
        (metered("voice", "cartesia", "characters", 1_000.0, "sonic-2"), "0.0392"),
        (metered("voice", "vapi", "characters", 1_000.0), "0"),
    ],
)
def test_prices_of_november_2026(reading: UsageMetered, usd: str) -> None:
    cost = call_cost([reading])
    assert cost.total_usd == Decimal(usd)
    assert cost.warnings == ()


@pytest.mark.parametrize(
    "reading",
    [
        tokens(1_000_000, 1_000_000, model="gpt-99"),
        tokens(1_000_000, 1_000_000, price_table="1999-01-01"),
        metered("voice", "11labs", "characters", 1_000.0, "turbo"),
        metered("transcriber", "gladia", "minutes", 1.0),
    ],
)
def test_what_has_no_price_costs_nothing_and_says_so(reading: UsageMetered) -> None:
    cost = call_cost([reading])
    assert cost.total_usd == 0
    assert cost_rows(cost)[0]["unpriced"] is True
    (warning,) = cost.warnings
    assert reading.provider in warning
    assert reading.price_table in warning


def test_rows_have_the_fields_of_their_type() -> None:
    usage = [
        metered("transport", "vapi.websocket", "minutes", 1.5),
        metered("transcriber", "deepgram", "minutes", 1.5, "nova-2"),
        tokens(1_000, 50, 200),
        metered("voice", "cartesia", "characters", 250.0, "sonic-2"),
        metered("vapi", "vapi", "minutes", 1.5),
    ]
    assert cost_rows(call_cost(usage)) == [
        {"type": "transport", "provider": "vapi.websocket", "minutes": 1.5, "cost": 0.0},
        {
            "type": "transcriber",
            "transcriber": {"provider": "deepgram", "model": "nova-2"},
            "minutes": 1.5,
            "cost": 0.0087,
        },
        {
            "type": "model",
            "model": {"provider": "openai", "model": "gpt-4o"},
            "promptTokens": 1000,
            "completionTokens": 50,
            "cachedPromptTokens": 200,
            "cost": 0.00275,
        },
        {"type": "voice", "voice": {"provider": "cartesia", "model": "sonic-2"}, "characters": 250, "cost": 0.0098},
        {"type": "vapi", "subType": "normal", "minutes": 1.5, "cost": 0.075},
    ]


def test_the_breakdown_has_every_field_of_the_schema() -> None:
    assert cost_breakdown(call_cost([tokens(1_000, 50, 200), metered("vapi", "vapi", "minutes", 1.5)])) == {
        "transport": 0.0,
        "stt": 0.0,
        "llm": 0.00275,
        "tts": 0.0,
        "vapi": 0.075,
        "chat": 0,
        "total": 0.07775,
        "llmPromptTokens": 1000,
        "llmCompletionTokens": 50,
        "llmCachedPromptTokens": 200,
        "ttsCharacters": 0,
        "analysisCostBreakdown": {
            name + part: 0
            for name in ("summary", "structuredData", "successEvaluation", "structuredOutput")
            for part in ("", "PromptTokens", "CompletionTokens", "CachedPromptTokens")
        },
    }


def test_the_table_that_new_readings_name_exists_under_its_own_date() -> None:
    assert PRICE_TABLES[CURRENT_PRICE_TABLE].date == CURRENT_PRICE_TABLE
    assert all(table.date == name for name, table in PRICE_TABLES.items())
