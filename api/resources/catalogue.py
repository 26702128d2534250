"""Every configuration resource there is, in the order of their routes.

Literal paths stand before ones with parameters that would match them too (``/eval/simulation`` before ``/eval/{id}``).
"""

from __future__ import annotations

from typing import Final

from api.configuration.resource import Resource
from api.resources.assistants import ASSISTANTS
from api.resources.squads import SQUADS
from api.resources.tools import TOOLS

RESOURCES: Final[tuple[Resource, ...]] = (ASSISTANTS, SQUADS, TOOLS)
