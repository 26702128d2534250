"""The names of events that an insight can count, as https://docs.vapi.ai/api-reference/insight lists them."""

from __future__ import annotations

from typing import Final

_BY_PREFIX: Final = {
    "call": """started ended inProgress queued transportConnected transportDisconnected transportReconnected
        transferInitiated transferCompleted transferFailed transferCancelled handoffInitiated handoffCompleted
        handoffFailed assistantSwapped assistantStarted customerJoined customerLeft controlReceived listenStarted
        recordingStarted recordingPaused recordingResumed voicemailDetected voicemailNotDetected dtmfReceived dtmfSent
        amdDetected hookTriggered hookSucceeded hookFailed statusReceived silenceTimeout microphoneTimeout
        maxDurationReached""",
    "assistant.voice": """requestStarted requestSucceeded requestFailed connectionOpened connectionClosed
        firstAudioReceived audioChunkReceived generationSucceeded generationFailed textPushed reconnecting cleanup
        clearing voiceSwitched""",
    "assistant.model": """requestStarted requestSucceeded requestFailed requestAttemptStarted requestAttemptSucceeded
        requestAttemptFailed connectionOpened connectionClosed firstTokenReceived tokenReceived responseSucceeded
        responseFailed toolCallsReceived reconnecting cleanup clearing responseEmpty""",
    "assistant.tool": "started completed failed delayedMessageSent timeout asyncCallbackReceived",
    "assistant.transcriber": """requestStarted requestSucceeded requestFailed connectionOpened connectionClosed
        partialTranscript finalTranscript keepAlive reconnecting cleanup clearing transcriptIgnored
        languageSwitched""",
    "assistant.analysis": """structuredOutputRequest structuredOutputResponse structuredOutputError
        structuredOutputGenerated structuredOutputSkipped""",
    "assistant.knowledgeBase": "requestSucceeded",
    "pipeline": """turnStarted cleared botSpeechStarted botSpeechStopped userSpeechStarted userSpeechStopped
        endpointingTriggered firstMessageStarted firstMessageCompleted""",
}

EVENT_NAMES: Final = tuple(f"{prefix}.{name}" for prefix, names in _BY_PREFIX.items() for name in names.split())
"""All of them, the calls' first."""
