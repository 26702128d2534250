"""The request models as a whole: built when they are needed, or all at once before the first request."""

from __future__ import annotations

from pydantic import BaseModel

from api.app import create_app
from api.models.assistant import AssistantBody
from api.models.base import Closed, Open
from api.models.building import build_models
from api.models.filters import Query


def below(model: type[BaseModel]) -> set[type[BaseModel]]:
    return {model}.union(*(below(kind) for kind in model.__subclasses__()))


def test_all_are_built_before_the_first_request() -> None:
    assert create_app is not None, "what the application imports is what it may need"
    build_models()
    every = below(Closed) | below(Open) | below(Query)
    assert AssistantBody in every
    assert [model.__name__ for model in every if not model.__pydantic_complete__] == []
