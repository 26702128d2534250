"""What the guided conversation does with texts that nobody speaks: given a megabyte, it answers, and others go on."""

from __future__ import annotations

import asyncio

import pytest

from media.providers.language_model import ModelRequest
from media.providers.local.dialogue.model import GuidedConversation, answer

PROMPT = "You are Ava, the voice of Harbour Books.\n\n# Facts\nDelivery: Delivery takes three working days."
DELIVERY = "Delivery takes three working days."


@pytest.mark.parametrize("before", ["hello how are you ", "x", "please and so "])
def test_of_a_pasted_document_the_end_is_listened_to(before: str) -> None:
    """Matching all of it took minutes, in which every call of the process stood still."""
    pasted = before * (1_000_000 // len(before)) + ". how long does delivery take"
    assert answer(_asking(pasted), []).text == answer(_asking(pasted[-2_000:]), []).text


@pytest.mark.parametrize("sentence", ["If you do not know ", "You are the ", "You are a voice of the A and "])
def test_a_prompt_without_an_end_is_read(sentence: str) -> None:
    prompt = PROMPT + "\n" + sentence * (1_000_000 // len(sentence))
    assert answer(_asking("How long does delivery take?", prompt), []).text == DELIVERY


async def test_other_calls_go_on_while_a_long_history_is_read() -> None:
    history = ({"role": "user", "content": "How long does delivery take?"}, {"role": "assistant", "content": DELIVERY})
    request = ModelRequest(messages=({"role": "system", "content": PROMPT}, *history * 50, history[0]))
    turns = 0

    async def other_call() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(other_call())
    facts = [fact async for fact in GuidedConversation().stream(request)]
    other.cancel()
    assert facts
    assert turns > 50


def _asking(question: str, prompt: str = PROMPT) -> tuple[dict[str, str], ...]:
    return ({"role": "system", "content": prompt}, {"role": "user", "content": question})
