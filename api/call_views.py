"""A call as clients see it: the domain's wire form with this server's URLs in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from api.dependencies import ApiSettings
from api.monitoring import is_enabled, monitor_plan
from domain.call.events import ArtifactStored, Track
from domain.call.state import Call, Deleted, KeptCall
from domain.call.wire import CallUrls, call_body
from domain.log.ports import Documents
from domain.signing import Purpose, call_token

DOWNLOADS: Final[Mapping[str, Track]] = {
    "mono-recording": "mono",
    "stereo-recording": "stereo",
    "customer-recording": "customer",
    "assistant-recording": "assistant",
    "call-logs": "log",
}
"""What can be fetched of a call, by the last part of its path."""


class CallViews:
    """Builds the bodies of calls and the URLs inside them."""

    def __init__(self, settings: ApiSettings, documents: Documents) -> None:
        self._settings = settings
        self._documents = documents

    def body(self, state: Call) -> dict[str, Any]:
        """The JSON object of ``GET /call/{id}``."""
        return call_body(state, urls=CallUrls() if isinstance(state, Deleted) else self.urls(state))

    def urls(self, state: KeptCall) -> CallUrls:
        """Where the call can be heard and steered, and its artifacts fetched."""
        call_id = state.identity.id
        http, websocket = self._settings.media_base_url(), self._settings.websocket_base_url()
        plan = monitor_plan(state, self._documents)
        return CallUrls(
            websocket=self._signed(websocket, call_id, "transport"),
            web=self._signed(http, call_id, "webrtc"),
            listen=self._signed(websocket, call_id, "listen") if is_enabled(plan, "listen") else "",
            control=self._signed(http, call_id, "control") if is_enabled(plan, "control") else "",
            artifacts={
                track: f"{self._settings.base_url()}/call/{call_id}/{name}" for name, track in DOWNLOADS.items()
            },
        )

    def _signed(self, base: str, call_id: str, purpose: Purpose) -> str:
        return f"{base}/{call_id}/{call_token(self._settings.signing_secret, call_id, purpose)}/{purpose}"


def stored_artifact(state: Call, track: str) -> ArtifactStored | None:
    """The newest artifact of one track, if the call has one."""
    if isinstance(state, Deleted):
        return None
    return next((artifact for artifact in reversed(state.artifacts) if artifact.track == track), None)
