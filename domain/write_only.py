"""Secrets in a configuration can be written and never read back."""

from __future__ import annotations

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

_PHONE_NUMBER_SECRETS: Final = frozenset({"twilioAuthToken", "twilioApiKey", "twilioApiSecret"})
_CONFIGURATIONS: Final = frozenset({"config", "changes", "request", "assistant"})


def without_secrets(config: dict[str, Any], kind: str = "") -> dict[str, Any]:
    """A copy without what nobody may read back: server secrets and inline credentials' keys at any depth, and where
    ``kind`` is ``credential`` or ``phone_number`` the secrets of those."""
    match kind:
        case "credential":
            return _shown_fields(config)
        case "phone_number":
            config = _shown_phone_number(config)
    shown: dict[str, Any] = {}
    for key, value in config.items():
        match key, value:
            case "serverUrlSecret", _:
                continue
            case "server", dict():
                shown[key] = _shown({name: part for name, part in value.items() if name != "secret"})
            case "credentials", list():
                shown[key] = [_shown_credential(credential) for credential in value]
            case "phoneNumber", dict():
                shown[key] = _shown(_shown_phone_number(value))
            case _:
                shown[key] = _shown(value)
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


def _shown(value: Any) -> Any:
    match value:
        case dict():
            return without_secrets(value)
        case list():
            return [_shown(item) for item in value]
        case _:
            return value


def _shown_phone_number(config: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in config.items() if key not in _PHONE_NUMBER_SECRETS}
    if isinstance(shown.get("authentication"), dict):
        shown["authentication"] = {key: part for key, part in shown["authentication"].items() if key != "password"}
    return shown


def _shown_fields(credential: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _shown_plan(part) if key in {"authenticationPlan", "encryptionPlan"} else _shown_credential(part)
        for key, part in credential.items()
        if key not in _CREDENTIAL_SECRETS
    }


def _shown_credential(value: Any) -> Any:
    match value:
        case dict():
            return _shown_fields(value)
        case list():
            return [_shown_credential(item) for item in value]
        case _:
            return value


def _shown_plan(plan: Any) -> Any:
    if not isinstance(plan, dict):
        return plan
    return {key: part for key, part in plan.items() if key in _SHOWN_OF_PLANS}
