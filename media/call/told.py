"""What a tenant's servers are told of a call beside a message's own fields: the common ones of every message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from domain.call.wire import CallUrls, call_body
from domain.log.ports import Documents
from domain.server_messages.calls import call_snapshot
from domain.write_only import without_secrets

Json = dict[str, Any]


class Told:
    """Of one call. ``phone_number`` is the stored number that it came by. ``use`` names who has the word."""

    def __init__(self, call_id: str, documents: Documents, *, phone_number: Mapping[str, Any] | None = None) -> None:
        self._call_id = call_id
        self._documents = documents
        self._number = {"phoneNumber": dict(phone_number)} if phone_number else {}
        self._assistant: Json = {}
        self.assistant: Mapping[str, Any] = {}
        """The configuration of whoever has the word, secrets and all: for us, not for servers."""
        self._brief: Json | None = None
        self._encoded: dict[str, msgspec.Raw] = {}

    @property
    def number(self) -> Json:
        """``phoneNumber``, where there is one."""
        return self._number

    def use(self, assistant: Mapping[str, Any], version: str | None) -> None:
        """From now on this assistant has the word."""
        self.assistant = assistant
        self._assistant = {"assistant": without_secrets(dict(assistant)), "assistantVersion": version}
        self._brief = None

    def whole(self) -> Json:
        """``call``, ``assistant``, ``customer``, ``phoneNumber`` and ``artifact``, as far as the log has them."""
        body = self._body()
        artifact = body.get("artifact") or {"messages": []}
        return {**self._common(body), "artifact": artifact}

    def brief(self) -> Json:
        """The same without the artifact, as it was when the assistant took the word: for what is sent often."""
        if self._brief is None:
            self._brief = self._common(self._body())
            self._encoded = {name: msgspec.Raw(msgspec.json.encode(part)) for name, part in self._brief.items()}
        return self._brief

    def encoded(self) -> Mapping[str, msgspec.Raw]:
        """The fields of ``brief`` as JSON, made once."""
        self.brief()
        return self._encoded

    def _body(self) -> Json:
        document = self._documents.get("call", self._call_id)
        return {"id": self._call_id} if document is None else call_body(document.state, urls=CallUrls())

    def _common(self, body: Json) -> Json:
        customer = {"customer": body["customer"]} if isinstance(body.get("customer"), dict) else {}
        return {"call": call_snapshot(body), **self._assistant, **customer, **self._number}
