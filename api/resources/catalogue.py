"""Every configuration resource there is, in the order of their routes.

Literal paths stand before ones with parameters that would match them too (``/eval/simulation`` before ``/eval/{id}``).
"""

from __future__ import annotations

from typing import Final

from api.configuration.resource import Resource
from api.resources.assistants import ASSISTANTS
from api.resources.boards import BOARDS
from api.resources.campaigns import CAMPAIGNS
from api.resources.credentials import CREDENTIALS
from api.resources.evals import EVALS
from api.resources.insights import INSIGHTS
from api.resources.phone_numbers import PHONE_NUMBERS
from api.resources.provider_resources import PROVIDER_RESOURCES
from api.resources.scorecards import SCORECARDS
from api.resources.sessions import SESSIONS
from api.resources.simulations import PERSONALITIES, SCENARIOS, SIMULATIONS, SUITES
from api.resources.squads import SQUADS
from api.resources.structured_outputs import STRUCTURED_OUTPUTS
from api.resources.tools import TOOLS

RESOURCES: Final[tuple[Resource, ...]] = (
    ASSISTANTS,
    SQUADS,
    TOOLS,
    PHONE_NUMBERS,
    CREDENTIALS,
    SESSIONS,
    STRUCTURED_OUTPUTS,
    SCORECARDS,
    PERSONALITIES,
    SCENARIOS,
    SUITES,
    SIMULATIONS,
    EVALS,
    CAMPAIGNS,
    PROVIDER_RESOURCES,
    INSIGHTS,
    BOARDS,
)
