"""A served API with one organisation, and the official SDK with its key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from vapi import Vapi

from api.app import create_app
from domain.organization.founding import Founding
from tests.end_to_end.serving import listening, serving
from tests.unit.api.installation import Installation, install


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("sdk")
    with listening() as (bound, url):
        built = install(folder, public_url=url)
        with serving(create_app(built.dependencies), bound):
            yield built
        built.log.close()


@pytest.fixture(scope="module")
def founding(installation: Installation) -> Founding:
    return asyncio.run(installation.found("Acme"))


@pytest.fixture
def vapi(installation: Installation, founding: Founding) -> Vapi:
    return Vapi(token=founding.private_key, base_url=installation.dependencies.settings.base_url())
