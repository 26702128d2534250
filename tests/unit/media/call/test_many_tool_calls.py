"""A model that writes hundreds of tool calls at once: they are refused one by one, and it stays the call's model."""

from __future__ import annotations

from pathlib import Path

from domain.call.events import ToolCalled, ToolCompleted, ToolFailed, Warned
from media.providers.openai_chat import OpenAiChat, openai_client
from media.providers.scripted import ScriptedLanguageModel, ScriptedSpeechToText, ScriptedTextToSpeech
from media.providers.settings import VendorAccess
from tests.patience import PATIENCE_S
from tests.simulators.openai_server import CallTools, OpenAiServer, Say
from tests.unit.media.call.rig import ScriptedProviders, media_rig
from tests.unit.media.call.test_calls import assistant, dial, of, texts
from tests.unit.media.tools.tool_server import tool_server

ASKED, AT_ONCE, BUDGET = 200, 16, 20


async def test_two_hundred_tool_calls_at_once_are_refusals_and_no_failed_provider(tmp_path: Path) -> None:
    flood = CallTools(calls=tuple(("greet", "{}") for _ in range(ASKED)))
    fallback = ScriptedLanguageModel(answers=("I am the fallback.",))
    with tool_server() as server:
        async with OpenAiServer(flood, flood, Say("That was too much.")) as vendor:
            tool = {
                "type": "apiRequest",
                "name": "greet",
                "method": "GET",
                "url": server.url + "/x",
                "messages": [],
            }
            client = openai_client(VendorAccess("sk-test", vendor.base_url))
            scripted = ScriptedProviders(
                hearing=[ScriptedSpeechToText(["please greet everybody"])],
                thinking=[OpenAiChat(client, {"model": "gpt-4o-mini"}, first_token_s=PATIENCE_S), fallback],
                speaking=[ScriptedTextToSpeech(ms_per_character=10.0)],
            )
            async with media_rig(tmp_path, scripted, tool_budget=BUDGET) as rig:
                caller = await dial(rig, assistant(model={"messages": [], "tools": [tool]}))
                await caller.until_said(1)
                await caller.speak()
                await caller.until_said(2)
                events = await caller.hang_up()
            await client.close()
    assert texts(events, "assistant") == ["Hello.", "That was too much."]
    assert not fallback.requests
    assert not [warned for warned in of(events, Warned) if warned.code == "model-fallback"]
    assert len(of(events, ToolCalled)) == 2 * ASKED
    assert len(of(events, ToolCompleted)) == BUDGET
    errors = [failed.error for failed in of(events, ToolFailed)]
    assert errors.count(f"At most {AT_ONCE} tools are called at once.") == ASKED - AT_ONCE
    over = f"The conversation has had its {BUDGET} tool calls; no more are made."
    assert errors.count(over) == ASKED - (BUDGET - AT_ONCE)
    assert {failed.failure for failed in of(events, ToolFailed)} == {"rejected"}
