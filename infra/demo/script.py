"""What is said in the demonstration: the assistant's configuration and the caller's lines."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from infra.demo.caller import Line

TRANSPORT = {
    "provider": "vapi.websocket",
    "audioFormat": {"format": "pcm_s16le", "container": "raw", "sampleRate": 16000},
}
"""How the synthetic caller is connected."""

AGREED = Line("yes please", answer="is booked for", rephrased="yes")
GOODBYE = Line("thank you goodbye", answer="goodbye", rephrased="thank you bye")

LINES = (
    Line("what are your opening hours"),
    Line(
        "sorry i would like to book a cleaning please",
        after_hearing_s=2.2,
        answer="for which day",
        rephrased="i would like to book a cleaning",
    ),
    Line("on tuesday", answer="at what time", rephrased="on tuesday please"),
    Line(
        "in the morning please",
        answer="on tuesday in the morning, for cleaning",
        rephrased="a cleaning on tuesday in the morning please",
    ),
    AGREED,
    GOODBYE,
)
"""The second one is said over the answer to the first, mid-sentence, on purpose."""


def assistant(tools_url: str) -> dict[str, Any]:
    """The receptionist, with its tools served at ``tools_url``, as it is sent to ``POST /assistant``."""
    configuration: dict[str, Any] = json.loads(files("infra.demo").joinpath("assistant.json").read_text())
    for tool in configuration["model"]["tools"]:
        if "server" in tool:
            tool["server"]["url"] = tools_url
    return configuration
