"""What is known of an endpoint: whose it is, whether it is in use, and since when everything fails there."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """``failing_since`` is when the first of the failures began that no success came between; ``failures`` counts them.
    ``owner`` is the process that serves it, ``disabled`` says why nothing is sent; empty where it is in use."""

    id: str
    org_id: str
    origin: str
    created_at: datetime
    updated_at: datetime
    version: int
    owner: str = ""
    disabled: str = ""
    failing_since: datetime | None = None
    failures: int = 0
    delivered: int = 0
    exhausted: int = 0
