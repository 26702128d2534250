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
        case "chat" | "session":
            pass
        case _:
            body |= {"subType": "normal", "minutes": _number(row, "minutes")}
    return {**body, "cost": float(row.usd), **({} if row.priced else {"unpriced": True})}


def cost_breakdown(cost: CallCost) -> dict[str, Any]:
    """The sums of the rows by kind; ``total`` is the sum of all."""
    usd: dict[str, Decimal] = {}
    used: dict[tuple[str, str], Decimal] = {}
    for row in cost.rows:
        usd[row.meter] = usd.get(row.meter, _NOTHING) + row.usd
        for unit, amount in row.quantities.items():
            used[row.meter, unit] = used.get((row.meter, unit), _NOTHING) + amount
    return {
        "transport": float(usd.get("transport", _NOTHING)),
        "stt": float(usd.get("transcriber", _NOTHING)),
        "llm": float(usd.get("model", _NOTHING)),
        "tts": float(usd.get("voice", _NOTHING)),
        "vapi": float(usd.get("vapi", _NOTHING)),
        "chat": 0,
        "total": float(cost.total_usd),
        "llmPromptTokens": _plain(used.get(("model", "promptTokens"), _NOTHING)),
        "llmCompletionTokens": _plain(used.get(("model", "completionTokens"), _NOTHING)),
        "llmCachedPromptTokens": _plain(used.get(("model", "cachedPromptTokens"), _NOTHING)),
        "ttsCharacters": _plain(used.get(("voice", "characters"), _NOTHING)),
        "analysisCostBreakdown": dict(_NO_ANALYSIS),
    }


_NOTHING = Decimal(0)
_NO_ANALYSIS = {
    f"{analysis}{suffix}": 0
    for analysis in ("summary", "structuredData", "successEvaluation", "structuredOutput")
    for suffix in ("", "PromptTokens", "CompletionTokens", "CachedPromptTokens")
}


def _number(row: CostRow, unit: str) -> int | float:
    return _plain(row.quantities.get(unit, _NOTHING))


def _plain(amount: Decimal) -> int | float:
    """Counts as integers, as Vapi shows them."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)
