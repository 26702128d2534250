"""An organisation's own settings as Vapi's console speaks of them, ``Org``."""

from __future__ import annotations

from api.models.base import Closed
from api.models.plans import Server


class OrganizationChanges(Closed):
    """Body of ``PATCH /org/{id}``. ``server`` takes the messages that neither an assistant nor a phone number sends
    elsewhere; null takes it away."""

    server: Server | None = None
