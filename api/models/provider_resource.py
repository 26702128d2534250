"""Pronunciation dictionaries of the providers that have them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, RootModel, Tag

from api.models.base import Closed, by_field, mark

DictionaryName = Annotated[str, Field(min_length=1, max_length=255)]


class PronunciationRule(Closed):
    """How a word is said: as another word, or in a phonetic alphabet."""

    string_to_replace: Annotated[str, Field(alias="string_to_replace", min_length=1)]
    type: Literal["alias", "phoneme"]
    alias: str | None = None
    phoneme: str | None = None
    alphabet: str | None = None


class ElevenLabsDictionary(Closed):
    """A dictionary of ElevenLabs."""

    provider: Literal["11labs"]
    resource_name: Literal["pronunciation-dictionary"]
    name: DictionaryName
    rules: list[PronunciationRule]


class PronunciationItem(Closed):
    """How a word is said."""

    text: Annotated[str, Field(min_length=1)]
    alias: str


class CartesiaDictionary(Closed):
    """A dictionary of Cartesia."""

    provider: Literal["cartesia"]
    resource_name: Literal["pronunciation-dictionary"]
    name: DictionaryName
    items: list[PronunciationItem] | None = None


class ProviderResourceBody(
    RootModel[
        Annotated[
            Annotated[ElevenLabsDictionary, Tag(mark("11labs"))] | Annotated[CartesiaDictionary, Tag(mark("cartesia"))],
            Discriminator(by_field("provider", {"11labs": mark("11labs")}, mark("cartesia"))),
        ]
    ]
):
    """Body of ``POST /provider/{provider}/{resourceName}``, whose path gives ``provider`` and ``resourceName``."""
