"""Routers that pass over paths which do not begin like theirs find what routers find that look at everything."""

from __future__ import annotations

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import given
from hypothesis import strategies as st

from api.sections import Section

PATHS = ("/a", "/a/{id}", "/b/c", "/b/{id:path}", "/{any}/d", "/", "/a-b", "/ab/a")
ASKED = st.lists(st.sampled_from(["a", "b", "c", "d", "ab", "a-b", "%61", ""]), max_size=3).map("/".join)


def application(kind: type[APIRouter], prefix: str = "") -> FastAPI:
    """One router for each path, in order."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    for path in PATHS:
        router = kind(prefix=prefix)

        @router.get(path)
        async def found(path: str = path) -> str:
            return path

        app.include_router(router)
    return app


async def asked(app: FastAPI, method: str, path: str, root_path: str = "") -> tuple[int, str]:
    transport = httpx.ASGITransport(app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="https://c.example") as client:
        answer = await client.request(method, path)
        return answer.status_code, answer.text


PLAIN, SECTIONED = application(APIRouter), application(Section)


@given(path=ASKED, method=st.sampled_from(["GET", "POST"]))
async def test_the_same_routes_are_found(path: str, method: str) -> None:
    assert await asked(SECTIONED, method, f"/{path}") == await asked(PLAIN, method, f"/{path}")


@pytest.mark.parametrize(("prefix", "root_path", "path"), [("/v1", "", "/v1/a"), ("", "/root", "/root/a")])
async def test_below_a_prefix_or_a_root_path_too(prefix: str, root_path: str, path: str) -> None:
    assert await asked(application(Section, prefix), "GET", path, root_path) == (200, '"/a"')


async def test_a_route_that_is_added_later_is_found() -> None:
    app, router = FastAPI(), Section()
    app.include_router(router)
    assert (await asked(app, "GET", "/late"))[0] == 404

    @router.get("/late")
    async def late() -> str:
        return "late"

    assert await asked(app, "GET", "/late") == (200, '"late"')
