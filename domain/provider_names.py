"""Names of providers as Vapi's API spells them, where more than one part of the system goes by the list."""

from __future__ import annotations

from typing import Final, Literal, get_args

ModelProvider = Literal[
    "anthropic",
    "anthropic-bedrock",
    "anyscale",
    "cerebras",
    "custom-llm",
    "deepinfra",
    "deep-seek",
    "google",
    "groq",
    "inflection-ai",
    "minimax",
    "openai",
    "openrouter",
    "perplexity-ai",
    "together-ai",
    "vapi",
    "xai",
]
"""Who may be named in ``assistant.model.provider``; the ended reasons of a failed model carry the same names."""

MODEL_PROVIDERS: Final[frozenset[str]] = frozenset(get_args(ModelProvider))
