"""Secrets in a configuration can be written and never read back."""

from __future__ import annotations

from typing import Any

_CREDENTIAL_SECRETS = frozenset(
    {
        *("apiKey", "apiSecret", "openAIKey", "ocpApimSubscriptionKey", "authToken", "webhookUrl", "gcpKey"),
        *("awsAccessKeyId", "awsSecretAccessKey", "secretAccessKey", "authPassword", "privateKey", "hmacSecret"),
        *("vonageApplicationPrivateKey", "authenticationPlan", "encryptionPlan", "authenticationSession"),
    }
)
"""The fields of inline credentials that Vapi's schema marks as not returned, and the plans that hold secrets."""


def without_secrets(config: dict[str, Any]) -> dict[str, Any]:
    """A copy without server secrets and without the keys of inline credentials, at any depth."""
    shown: dict[str, Any] = {}
    for key, value in config.items():
        if key == "serverUrlSecret":
            continue
        if key == "server" and isinstance(value, dict):
            value = {name: part for name, part in value.items() if name != "secret"}
        if key == "credentials" and isinstance(value, list):
            shown[key] = [_shown_credential(credential) for credential in value]
        else:
            shown[key] = _shown(value)
    return shown


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


def _shown_credential(credential: Any) -> Any:
    if not isinstance(credential, dict):
        return credential
    return {name: part for name, part in credential.items() if name not in _CREDENTIAL_SECRETS}
