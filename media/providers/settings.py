"""What an installation gives its providers: keys, base URLs, sizes. The composition root fills it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class VendorAccess:
    """How a vendor is reached. ``base_url`` empty is the vendor's own; a vendor without a key is not configured."""

    api_key: str | None = field(default=None, repr=False)
    base_url: str = ""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """``vendors`` by Vapi's provider name; assistants that name one without a key are refused at call start.

    ``local_speech`` False starts no worker processes (a deployment that only uses vendors); ``recogniser_workers`` is
    the number of recogniser processes, each for 16 speaking callers."""

    vendors: Mapping[str, VendorAccess] = field(default_factory=dict)
    local_speech: bool = True
    recogniser_workers: int = 1

    def vendor(self, name: str) -> VendorAccess:
        """What is known of a vendor; without key and base URL where nothing is."""
        return self.vendors.get(name, VendorAccess())
