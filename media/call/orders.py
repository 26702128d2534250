"""What the machine asks of the parts of a call, handed to the part that does it."""

from __future__ import annotations

from media.call.parts import Parts
from media.machine.outputs import (
    AbortModel,
    AskDestination,
    AskEndpointing,
    FinalizeTranscript,
    Mute,
    Output,
    ResolveAssistant,
    StartModel,
    StartPlayout,
    Synthesize,
    Transfer,
    UseAssistant,
)


def hand_over(parts: Parts, output: Output, now_ms: float) -> None:
    """Have one output carried out. Those that are no part's business are passed over."""
    match output:
        case StartModel(request_id=request_id, messages=messages):
            parts.model.start(request_id, messages)
        case AbortModel(request_id=request_id):
            parts.model.abort(request_id)
        case Synthesize():
            parts.voice.synthesize(output)
        case StartPlayout(utterance_id=utterance_id):
            parts.playout.release(utterance_id, now_ms)
        case FinalizeTranscript():
            parts.transcriber.finalize()
        case AskEndpointing():
            parts.endpointing.ask(output)
        case AskDestination():
            parts.tools.ask(output)
        case ResolveAssistant():
            parts.tools.resolve(output)
        case UseAssistant():
            parts.tools.use(output)
        case Transfer():
            parts.tools.transfer(output)
        case Mute(who="customer", muted=muted):
            parts.hearing.muted = muted
        case Mute(muted=muted):
            parts.playout.muted = muted
