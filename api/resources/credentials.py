"""``/credential``: keys of providers. Vapi's own console uses these paths; they are not in its public document."""

from __future__ import annotations

from typing import Final

from api.configuration.resource import Resource
from api.models.credential import CredentialBody
from domain.configuration.kinds import CONFIGURATIONS

CREDENTIALS: Final = Resource(
    aggregate=CONFIGURATIONS["credential"],
    path="/credential",
    noun="credential",
    tag="Credentials",
    body=CredentialBody,
    fixed="provider",
)
