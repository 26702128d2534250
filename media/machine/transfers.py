"""Transfers: to another assistant of the squad as a hand-off, to numbers and SIP addresses by whoever carries the call.

A call that no carrier holds cannot be transferred: that is a failed transfer, recorded and told as every other one.
https://docs.vapi.ai/call-forwarding
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from domain.call.events import TransferEnded, TransferRequested, TransferStatus
from media.machine import ending, handovers, hooks, speaking, tool_results, tools
from media.machine.destinations import (
    DEFAULT_TRANSFER_MESSAGE,
    FALLBACK_REASON,
    Destination,
    DestinationInvalid,
    besides_destination,
    choose,
    message_text,
    read_destination,
)
from media.machine.inputs import RequestedTool, TransferProgressed
from media.machine.moment import Moment
from media.machine.outputs import AskDestination, Transfer
from media.machine.state import RunningTool
from media.machine.tool_plan import ToolPlan

BY_CONTROL: Final = "control"
"""Begins the id of a transfer that no tool asked for."""
FORWARDED: Final = "assistant-forwarded-call"
CARRIERS: Final = frozenset({"twilio", "telnyx", "vonage", "vapi.sip"})
"""Transports whose calls can be connected to somebody else."""
NO_CARRIER: Final = "This call is not carried by a telephone network; it cannot be transferred."
_CONNECTED: Final = ("connected", "completed")


def start(m: Moment, call: RequestedTool, tool: ToolPlan) -> RunningTool | str:
    """Begin a transfer: the call as it runs, or why it is refused."""
    running = RunningTool(call=call, plan=tool, started_ms=m.now)
    if not tool.destinations:
        m.emit(AskDestination(tool_call_id=call.id, handoff=False, arguments=call.arguments, tool=tool.config))
        return running
    destination = choose(tool.destinations, call.arguments)
    if destination is None:
        return handovers.NO_DESTINATION
    return _towards(m, replace(running, destination=destination))


def go(m: Moment, running: RunningTool, message: Mapping[str, Any] | None) -> None:
    """A server has named the destination; ``message`` is what it wants to be said first."""
    running = _towards(m, running)
    text = message_text(message) if message is not None else announcement(m, running)
    if text:
        tools.say_with_anchors(m, text, releases=(running.call.id,))
    m.set(tools=tuple(running if each.call.id == running.call.id else each for each in m.state.tools))


def announcement(m: Moment, running: RunningTool) -> str:
    """What the caller hears before going; nothing where nobody can take the call anywhere."""
    destination = running.destination
    if destination is None or (destination.type != "assistant" and not _carried(m)):
        return ""
    said = destination.translations.get(m.state.language, destination.message)
    return DEFAULT_TRANSFER_MESSAGE if said is None else said


def send(m: Moment, running: RunningTool) -> None:
    """The caller has heard where the call goes: let it go."""
    destination = running.destination
    assert destination is not None, "a transfer is sent once its destination is known"
    transfer_id = running.call.id
    sent = replace(running, sent=True)
    m.set(tools=tuple(sent if each.call.id == transfer_id else each for each in m.state.tools))
    m.record(
        TransferRequested(transfer_id=transfer_id, destination=destination.config, mode=destination.mode, at_ms=m.now)
    )
    if _carried(m):
        m.emit(Transfer(transfer_id=transfer_id, destination=destination.config))
    else:
        _failed(m, running, destination, "failed", NO_CARRIER)


def on_progress(m: Moment, progress: TransferProgressed) -> None:
    """The carrier tells how it went. Connected, our part of the call is over."""
    running = tool_results.running(m, progress.transfer_id)
    if running is None and progress.transfer_id.startswith(f"{BY_CONTROL}-"):
        _by_control_progressed(m, progress)
        return
    if running is None or running.destination is None or m.state.end_reason is not None:
        hooks.on_transfer(m, progress)
        return
    if progress.status not in _CONNECTED:
        _failed(m, running, running.destination, progress.status, progress.detail)
        return
    tool_results.remove(m, running.call.id)
    m.record(
        TransferEnded(transfer_id=progress.transfer_id, status=progress.status, detail=progress.detail, at_ms=m.now)
    )
    tool_results.complete(m, running.call, "The call was transferred.")
    m.notify("status-update", status="forwarding", destination=running.destination.config)
    ending.begin(m, FORWARDED)


def by_control(m: Moment, message: Mapping[str, Any]) -> None:
    """A ``transfer`` message: say its ``content`` and let the call go. Raises ``DestinationInvalid``."""
    destination = read_destination(message.get("destination"), handoff=False)
    if destination.type not in ("number", "sip"):
        raise DestinationInvalid(f"its type is {destination.type}: name a number or a sip address")
    content = message.get("content")
    if _carried(m) and isinstance(content, str) and content.strip():
        speaking.say(m, content, "say")
    transfer_id = f"{BY_CONTROL}-{len(m.state.history)}-{m.state.utterance_count}"
    m.record(
        TransferRequested(transfer_id=transfer_id, destination=destination.config, mode=destination.mode, at_ms=m.now)
    )
    if _carried(m):
        m.emit(Transfer(transfer_id=transfer_id, destination=destination.config))
    else:
        m.record(TransferEnded(transfer_id=transfer_id, status="failed", detail=NO_CARRIER, at_ms=m.now))


def _by_control_progressed(m: Moment, progress: TransferProgressed) -> None:
    """No tool waits for it: it is recorded, and where it failed the conversation goes on."""
    m.record(
        TransferEnded(transfer_id=progress.transfer_id, status=progress.status, detail=progress.detail, at_ms=m.now)
    )
    if progress.status in _CONNECTED:
        m.notify("status-update", status="forwarding")
        ending.begin(m, FORWARDED)


def _towards(m: Moment, running: RunningTool) -> RunningTool:
    """An assistant is got ready at once; a number waits for what is said first."""
    destination = running.destination
    assert destination is not None, "a transfer goes somewhere"
    if destination.type != "assistant":
        return replace(running, sent=False)
    handovers.resolve(m, running.call.id, destination, besides_destination(running.call.arguments))
    return running


def _failed(m: Moment, running: RunningTool, destination: Destination, status: TransferStatus, detail: str) -> None:
    """What the transfer plan's ``fallbackPlan`` says happens; without one the model is told and goes on."""
    tool_results.remove(m, running.call.id)
    m.record(TransferEnded(transfer_id=running.call.id, status=status, detail=detail, at_ms=m.now))
    plan = destination.config.get("transferPlan")
    fallback = plan.get("fallbackPlan") if isinstance(plan, Mapping) else None
    error = detail or f"The transfer ended with {status}."
    tool_results.fail(m, running.call, "error", error)
    message = message_text(fallback.get("message")) if isinstance(fallback, Mapping) else None
    if isinstance(fallback, Mapping) and fallback.get("endCallEnabled") is not False:
        ending.begin(m, FALLBACK_REASON, message or "")
        return
    tool_results.settle_with(m, running.call, (message or "").strip())


def _carried(m: Moment) -> bool:
    return m.plan.transport.name in CARRIERS
