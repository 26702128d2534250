"""A call whose MCP server dies while a tool is under way: the call goes on, and so does the server when it is back."""

from __future__ import annotations

import json
from pathlib import Path

from domain.call.events import CallEnded, ToolCompleted, ToolFailed
from media.providers.language_model import ModelRequest, ToolCallRequest
from media.providers.scripted import Answer
from tests.simulators.relay import relay
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import assistant, dial, of, providers, texts
from tests.unit.media.tools.test_mcp_faults import Shop
from tests.unit.media.tools.test_mcp_tools import serving


async def test_a_call_outlives_its_mcp_server_and_finds_it_again(tmp_path: Path) -> None:
    told: list[str] = []

    def shopping(request: ModelRequest) -> Answer:
        last = request.messages[-1]
        if last["role"] == "tool":
            told.append(str(last["content"]))
            return "It ships on Monday." if "Monday" in told[-1] else "That did not work."
        if len(told) == 0:
            return [ToolCallRequest("c1", "wait", {})]
        return [ToolCallRequest("c2", "find_order", {"order_id": "7"})]

    shop = Shop()
    async with relay() as plug, serving(shop.app("shttp")) as url:
        plug.stand_before(url)
        tool = {"type": "mcp", "server": {"url": f"http://127.0.0.1:{plug.port}/mcp"}, "messages": []}
        config = assistant(model={"messages": [], "tools": [tool]})
        async with media_rig(tmp_path, providers("my order please", "try again", answers=shopping)) as rig:
            caller = await dial(rig, config)
            await caller.until_said(1)
            await caller.speak()
            await shop.began.wait()
            await plug.pull()
            await caller.until_said(2)
            async with serving(Shop().app("shttp")) as other:
                plug.stand_before(other)
                await plug.plug_in()
                await caller.speak()
                await caller.until_said(3)
                events = await caller.hang_up()
    (failed,) = of(events, ToolFailed)
    assert (failed.tool_call_id, failed.failure) == ("c1", "unreachable")
    assert failed.error.startswith("The MCP server broke off before it answered")
    assert failed.error in told[0], json.dumps(told)
    (completed,) = of(events, ToolCompleted)
    assert (completed.tool_call_id, completed.result) == ("c2", "Order 7 ships on Monday.")
    assert texts(events, "assistant") == ["Hello.", "That did not work.", "It ships on Monday."]
    assert of(events, CallEnded)[0].reason == "manually-canceled"
