"""Vendors that speak OpenAI's chat completions at a base URL of their own: one table, no code of their own.

Servers that the operator runs (Ollama, vLLM and the like) are reached by ``custom-llm`` and their URL, or by giving
one of these names another base URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class CompatibleVendor:
    """``usage``: it takes ``stream_options`` and reports tokens."""

    base_url: str
    key_variable: str
    default_model: str
    usage: bool = True


COMPATIBLE: Final[Mapping[str, CompatibleVendor]] = {
    "groq": CompatibleVendor("https://api.groq.com/openai/v1", "GROQ_API_KEY", "llama-3.3-70b-versatile"),
    "together-ai": CompatibleVendor(
        "https://api.together.xyz/v1", "TOGETHER_API_KEY", "meta-llama/Llama-3.3-70B-Instruct-Turbo"
    ),
    "openrouter": CompatibleVendor("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "openai/gpt-4o-mini"),
    "deepinfra": CompatibleVendor(
        "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY", "meta-llama/Llama-3.3-70B-Instruct"
    ),
    "perplexity-ai": CompatibleVendor("https://api.perplexity.ai", "PERPLEXITY_API_KEY", "sonar", usage=False),
    "anyscale": CompatibleVendor(
        "https://api.endpoints.anyscale.com/v1", "ANYSCALE_API_KEY", "meta-llama/Meta-Llama-3-70B-Instruct"
    ),
    "xai": CompatibleVendor("https://api.x.ai/v1", "XAI_API_KEY", "grok-3-mini"),
    "deep-seek": CompatibleVendor("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", "deepseek-chat"),
    "cerebras": CompatibleVendor("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", "llama3.1-8b"),
}
