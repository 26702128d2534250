"""The price tables there have been. A table never changes once a release carried it; new prices are a new table.

Figures are public list prices in US dollars: OpenAI https://platform.openai.com/docs/pricing, Deepgram
https://deepgram.com/pricing (pay as you go), Cartesia https://cartesia.ai/pricing (credits at the Startup plan's rate,
consumption by https://docs.cartesia.ai/pricing), the platform's minute as https://vapi.ai/pricing lists it, so that
figures compare, and a message as its chats are listed. What runs on this machine costs nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from domain.pricing.price_table import (
    ANY_MODEL,
    PerMessage,
    PerMillionCharacters,
    PerMillionTokens,
    PerMinute,
    PriceTable,
)

_FREE_MINUTE = PerMinute(Decimal(0))
_FREE_TOKENS = PerMillionTokens(Decimal(0), Decimal(0), Decimal(0))
_FREE_CHARACTERS = PerMillionCharacters(Decimal(0))


def _minute(usd: str) -> PerMinute:
    return PerMinute(Decimal(usd))


def _tokens(prompt: str, cached_prompt: str, completion: str) -> PerMillionTokens:
    return PerMillionTokens(Decimal(prompt), Decimal(cached_prompt), Decimal(completion))


def _characters(usd: str) -> PerMillionCharacters:
    return PerMillionCharacters(Decimal(usd))


_2026_11_01 = PriceTable(
    date="2026-11-01",
    minutes={
        ("vapi", "vapi", ANY_MODEL): _minute("0.05"),
        ("transport", "vapi.websocket", ANY_MODEL): _FREE_MINUTE,
        ("transport", "callfold.webrtc", ANY_MODEL): _FREE_MINUTE,
        ("transcriber", "vapi", ANY_MODEL): _FREE_MINUTE,
        ("transcriber", "custom-transcriber", ANY_MODEL): _FREE_MINUTE,
        ("transcriber", "deepgram", "flux-general-en"): _minute("0.0077"),
        ("transcriber", "deepgram", "nova-3"): _minute("0.0077"),
        ("transcriber", "deepgram", "nova-3-general"): _minute("0.0077"),
        ("transcriber", "deepgram", "nova-3-medical"): _minute("0.0077"),
        ("transcriber", "deepgram", "nova-2"): _minute("0.0058"),
        ("transcriber", "deepgram", "nova-2-general"): _minute("0.0058"),
        ("transcriber", "deepgram", "nova-2-phonecall"): _minute("0.0058"),
        ("transcriber", "deepgram", "enhanced"): _minute("0.0165"),
        ("transcriber", "deepgram", "base"): _minute("0.0145"),
        ("transcriber", "cartesia", "ink-whisper"): _minute("0.002352"),
        ("transcriber", "cartesia", "ink-2"): _minute("0.007056"),
        ("transcriber", "openai", "gpt-4o-transcribe"): _minute("0.006"),
        ("transcriber", "openai", "gpt-4o-mini-transcribe"): _minute("0.003"),
    },
    tokens={
        ("vapi", ANY_MODEL): _FREE_TOKENS,
        ("custom-llm", ANY_MODEL): _FREE_TOKENS,
        ("openai", "gpt-5.5"): _tokens("5.00", "0.50", "30.00"),
        ("openai", "gpt-5.4"): _tokens("2.50", "0.25", "15.00"),
        ("openai", "gpt-5.4-mini"): _tokens("0.75", "0.075", "4.50"),
        ("openai", "gpt-5.4-nano"): _tokens("0.20", "0.02", "1.25"),
        ("openai", "gpt-5.1"): _tokens("1.25", "0.125", "10.00"),
        ("openai", "gpt-5"): _tokens("1.25", "0.125", "10.00"),
        ("openai", "gpt-5-mini"): _tokens("0.25", "0.025", "2.00"),
        ("openai", "gpt-5-nano"): _tokens("0.05", "0.005", "0.40"),
        ("openai", "gpt-4.1"): _tokens("2.00", "0.50", "8.00"),
        ("openai", "gpt-4.1-mini"): _tokens("0.40", "0.10", "1.60"),
        ("openai", "gpt-4.1-nano"): _tokens("0.10", "0.025", "0.40"),
        ("openai", "gpt-4o"): _tokens("2.50", "1.25", "10.00"),
        ("openai", "gpt-4o-mini"): _tokens("0.15", "0.075", "0.60"),
        ("openai", "gpt-4-turbo"): _tokens("10.00", "10.00", "30.00"),
        ("openai", "gpt-4"): _tokens("30.00", "30.00", "60.00"),
        ("openai", "gpt-3.5-turbo"): _tokens("0.50", "0.50", "1.50"),
        ("openai", "o3"): _tokens("2.00", "0.50", "8.00"),
        ("openai", "o3-mini"): _tokens("1.10", "0.55", "4.40"),
        ("openai", "o4-mini"): _tokens("1.10", "0.275", "4.40"),
    },
    characters={
        ("vapi", ANY_MODEL): _FREE_CHARACTERS,
        ("custom-voice", ANY_MODEL): _FREE_CHARACTERS,
        ("deepgram", "aura-2"): _characters("30.00"),
        ("deepgram", "aura"): _characters("15.00"),
        ("cartesia", ANY_MODEL): _characters("39.20"),
        ("openai", "tts-1"): _characters("15.00"),
        ("openai", "tts-1-hd"): _characters("30.00"),
    },
    messages={("vapi", ANY_MODEL): PerMessage(Decimal("0.005"))},
)

PRICE_TABLES: Mapping[str, PriceTable] = MappingProxyType({table.date: table for table in (_2026_11_01,)})
"""Every table by its date."""

CURRENT_PRICE_TABLE = max(PRICE_TABLES)
"""The table that new readings name."""
