"""``compliancePlan.recordingConsentPlan``: whether the caller is asked before anything is recorded, parsed.

Fields, defaults and ranges are those of Vapi's public assistant schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from domain.call.late_templates import below
from media.machine.reading import PlanInvalid, Section
from media.machine.tool_plan import ToolPlan, read_tool

Kind = Literal["stay-on-line", "verbal"]
KINDS: tuple[Kind, ...] = ("stay-on-line", "verbal")
TOOL_PATH = "compliancePlan.recordingConsentPlan.declineTool"


class ConsentPlan(msgspec.Struct, frozen=True, kw_only=True):
    """``kind`` ``stay-on-line`` takes consent from who is still there after ``wait_ms``; ``verbal`` wants to hear it.

    ``speaks_first`` is false where the caller is let speak before being asked. ``voice`` speaks the message instead of
    the assistant's own. ``decline_tool`` is what happens after a no; without one the call ends.
    """

    kind: Kind
    message: str
    wait_ms: float
    speaks_first: bool
    voice: dict[str, Any] | None
    decline_tool: ToolPlan | None


def read_consent(assistant: Section, *, server_available: bool, late: Iterable[str] = ()) -> ConsentPlan | None:
    """The plan, where there is one. Raises ``PlanInvalid``."""
    compliance = assistant.section("compliancePlan")
    if not compliance.has("recordingConsentPlan"):
        return None
    plan = compliance.section("recordingConsentPlan")
    kind = plan.choice("type", "", KINDS)
    message = plan.text("message").strip()
    if not message:
        raise PlanInvalid(plan.where("message"), "is missing", "Write what the caller is told or asked.")
    first = plan.choice(
        "firstMessageMode", "assistant-speaks-first", ("assistant-speaks-first", "assistant-waits-for-user")
    )
    voice = plan.section("voice").values
    tool = plan.section("declineTool")
    if not tool.values and plan.has("declineToolId"):
        raise PlanInvalid(plan.where("declineToolId"), "names no stored tool", "Store the tool or give it inline.")
    return ConsentPlan(
        kind=kind,
        message=message,
        wait_ms=plan.number("waitSeconds", 3, 1, 6) * 1000,
        speaks_first=first == "assistant-speaks-first",
        voice=dict(voice) if voice else None,
        decline_tool=(
            read_tool(tool, server_available=server_available, late=below(late, TOOL_PATH))
            if tool.values and kind == "verbal"
            else None
        ),
    )
