"""Secrets in a configuration can be written and never read back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from domain.event import Event

_CREDENTIAL_SECRETS: Final = frozenset(
    {
        *("apiKey", "apiSecret", "openAIKey", "ocpApimSubscriptionKey", "authToken", "webhookUrl", "gcpKey"),
        *("awsAccessKeyId", "awsSecretAccessKey", "secretAccessKey", "authPassword", "privateKey", "hmacSecret"),
        *("vonageApplicationPrivateKey", "authenticationSession", "accessKeyId", "hmacAccessKey", "connectionString"),
    }
)
"""The fields of credentials that Vapi's schema marks as not returned, and what opens the buckets of their plans."""

_SHOWN_OF_PLANS: Final = frozenset(
    {
        *("type", "url", "clientId", "scope", "algorithm", "signatureHeader", "timestampHeader", "signaturePrefix"),
        *("includeTimestamp", "payloadFormat", "messageIdHeader", "signatureEncoding", "secretIsBase64"),
        *("headerName", "bearerPrefixEnabled", "roleArn"),
    }
)
"""What a credential's authentication and encryption plans show; whatever else they hold may be a secret."""

_PLANS: Final = frozenset({"authenticationPlan", "encryptionPlan"})
_PHONE_NUMBER_SECRETS: Final = frozenset({"twilioAuthToken", "twilioApiKey", "twilioApiSecret"})
_CONFIGURATIONS: Final = frozenset({"config", "changes", "request", "assistant", "squad", "transport", "destination"})
"""Fields of events that hold what somebody configured or sent."""
_TOLD_APART: Final = frozenset({"serverUrlSecret", "server", "credentials", "phoneNumber"})
"""Fields of a configuration that are secrets, or whose fields are."""

_DROPPED: Final = object()

Change = Callable[[Any], Any]
"""What becomes of the value of a secret."""


def without_secrets(config: dict[str, Any], kind: str = "") -> dict[str, Any]:
    """A copy without what nobody may read back: server secrets and inline credentials' keys at any depth, and where
    ``kind`` is ``credential`` or ``phone_number`` the secrets of those."""
    return with_secrets(config, kind, _dropped)


def with_secrets(config: dict[str, Any], kind: str, change: Change) -> dict[str, Any]:
    """A copy in which ``change`` was made to every secret; ``kind`` is as above."""
    match kind:
        case "credential":
            return _credential(config, change)
        case "phone_number":
            config = _phone_number(config, change)
    shown: dict[str, Any] = {}
    for key, value in config.items():
        if key not in _TOLD_APART:
            shown[key] = _value(value, change) if isinstance(value, dict | list) else value
            continue
        match key, value:
            case "serverUrlSecret", _:
                _put(shown, key, change(value))
            case "server", dict():
                shown[key] = _value({name: part for name, part in value.items() if name != "secret"}, change)
                if "secret" in value:
                    _put(shown[key], "secret", change(value["secret"]))
            case "credentials", list():
                shown[key] = [_credential_value(credential, change) for credential in value]
            case "phoneNumber", dict():
                shown[key] = _value(_phone_number(value, change), change)
            case _:
                shown[key] = _value(value, change)
    return shown


def shown_event(event: Event) -> dict[str, Any]:
    """An event's own fields as anybody may read them: without the secrets of the configurations inside."""
    data: dict[str, Any] = msgspec.to_builtins(event)
    kind = event.TYPE.partition(".")[0]
    for field in _CONFIGURATIONS & data.keys():
        if isinstance(data[field], dict):
            data[field] = without_secrets(data[field], kind)
    return data


def holds_configuration(kind: type[Event]) -> bool:
    """Whether there is anything in events of this class that ``shown_event`` would look into."""
    return not _CONFIGURATIONS.isdisjoint(kind.__struct_fields__)


def has_server_secret(config: dict[str, Any]) -> bool:
    """Whether a secret is set for the configuration's own server."""
    server = config.get("server")
    return bool(config.get("serverUrlSecret")) or (isinstance(server, dict) and bool(server.get("secret")))


def _dropped(value: Any) -> Any:
    return _DROPPED


def _put(shown: dict[str, Any], key: str, value: Any) -> None:
    if value is not _DROPPED:
        shown[key] = value


def _value(value: Any, change: Change) -> Any:
    match value:
        case dict():
            return with_secrets(value, "", change)
        case list():
            return [_value(item, change) for item in value]
        case _:
            return value


def _phone_number(config: dict[str, Any], change: Change) -> dict[str, Any]:
    shown = _changed(config, _PHONE_NUMBER_SECRETS, change)
    if isinstance(shown.get("authentication"), dict):
        shown["authentication"] = _changed(shown["authentication"], frozenset({"password"}), change)
    return shown


def _changed(config: dict[str, Any], secrets: frozenset[str], change: Change) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for key, value in config.items():
        _put(shown, key, change(value) if key in secrets else value)
    return shown


def _credential(credential: dict[str, Any], change: Change) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for key, part in credential.items():
        if key in _CREDENTIAL_SECRETS:
            _put(shown, key, change(part))
        elif key in _PLANS and isinstance(part, dict):
            shown[key] = _changed(part, frozenset(part) - _SHOWN_OF_PLANS, change)
        else:
            shown[key] = _credential_value(part, change)
    return shown


def _credential_value(value: Any, change: Change) -> Any:
    match value:
        case dict():
            return _credential(value, change)
        case list():
            return [_credential_value(item, change) for item in value]
        case _:
            return value
