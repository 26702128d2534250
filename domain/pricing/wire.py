"""Vapi's ``costs`` array and ``costBreakdown`` object, https://docs.vapi.ai/api-reference/calls/get."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from domain.pricing.cost import CallCost, CostRow


def cost_rows(cost: CallCost) -> list[dict[str, Any]]:
    """One object per row, its shape by ``type``. ``unpriced`` stands on a row whose price nobody knows."""
    return [_row(row) for row in cost.rows]


def _row(row: CostRow) -> dict[str, Any]:
    body: dict[str, Any] = {"type": row.meter}
    config = {"provider": row.provider, **({"model": row.model} if row.model else {}), **row.config}
    match row.meter:
        case "transport":
            body |= {"provider": row.provider, "minutes": _number(row, "minutes")}
        case "transcriber":
            body |= {"transcriber": config, "minutes": _number(row, "minutes")}
        case "model":
            body |= {
                "model": config,
                "promptTokens": _number(row, "promptTokens"),
                "completionTokens": _number(row, "completionTokens"),
                "cachedPromptTokens": _number(row, "cachedPromptTokens"),
            }
        case "voice":
            body |= {"voice": config, "characters": _number(row, "characters")}
        case _:
            body |= {"subType": "normal", "minutes": _number(row, "minutes")}
    return {**body, "cost": float(row.usd), **({} if row.priced else {"unpriced": True})}


def cost_breakdown(cost: CallCost) -> dict[str, Any]:
    """The sums of the rows by kind; ``total`` is the sum of all."""
    return {
        "transport": _usd(cost, "transport"),
        "stt": _usd(cost, "transcriber"),
        "llm": _usd(cost, "model"),
        "tts": _usd(cost, "voice"),
        "vapi": _usd(cost, "vapi"),
        "chat": 0,
        "total": float(cost.total_usd),
        "llmPromptTokens": _quantity(cost, "model", "promptTokens"),
        "llmCompletionTokens": _quantity(cost, "model", "completionTokens"),
        "llmCachedPromptTokens": _quantity(cost, "model", "cachedPromptTokens"),
        "ttsCharacters": _quantity(cost, "voice", "characters"),
        "analysisCostBreakdown": dict(_NO_ANALYSIS),
    }


_NO_ANALYSIS = {
    f"{analysis}{suffix}": 0
    for analysis in ("summary", "structuredData", "successEvaluation", "structuredOutput")
    for suffix in ("", "PromptTokens", "CompletionTokens", "CachedPromptTokens")
}


def _usd(cost: CallCost, meter: str) -> float:
    return float(sum((row.usd for row in cost.rows if row.meter == meter), Decimal(0)))


def _quantity(cost: CallCost, meter: str, unit: str) -> int | float:
    return _plain(sum((row.quantities.get(unit, Decimal(0)) for row in cost.rows if row.meter == meter), Decimal(0)))


def _number(row: CostRow, unit: str) -> int | float:
    return _plain(row.quantities.get(unit, Decimal(0)))


def _plain(amount: Decimal) -> int | float:
    """Counts as integers, as Vapi shows them."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)
