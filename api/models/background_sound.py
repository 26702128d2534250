"""Body of the look at a background sound."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.models.base import Closed


class BackgroundSoundBody(Closed):
    """Body of ``POST /assistant/background-sound/validate``. What is no URL at all is an answer too."""

    url: Annotated[str, Field(min_length=1, max_length=2048)]
