"""What callers of one particular assistant may say, made from the assistant's own configuration.

Nobody lists the sentences of an assistant's callers, but its configuration names what they talk about: the topics of
the system prompt, the tools with their parameters and choices, the first message. Topics are put into the frames in
which people ask, tools into the frames in which they request, and the assistant's own sentences are kept as they are,
since callers take up its words.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from media.providers.local.language.conversation import (
    DAY_PARTS,
    HOURS,
    MONTHS,
    WEEKDAYS,
    base_sentences,
    day_phrases,
    digit_sequences,
    time_phrases,
)
from media.providers.local.language.frames import (
    LONG_FRAMES,
    OBJECT_FRAMES,
    REQUEST_FRAMES,
    SHORT_FRAMES,
    VERB_WORDS,
)
from media.providers.local.language.inflection import forms
from media.providers.local.language.remarks import FREQUENT
from media.providers.local.language.spoken import identifier_words, spoken_words

MAX_TOPICS = 90
MAX_SOURCE_CHARACTERS = 40_000

_STOP_WORDS_TEXT = (
    "a about above after again all also am an and any are as at be because been before being below between both but by "
    "can cannot could did do does doing down during each else ever every few for from further get give go had has have "
    "having he her here hers him his how i if in into is it it's its just let like may me more most must my never no "
    "nor not of off on once only or other our ours out over own please same say she should so some such than that the "
    "their them then there these they this those through to too under until up us very was we were what when where "
    "which while who whom why will with without would you your yours always ask answer keep make sure use using "
    "caller callers user users customer assistant assistants know need want tell says said call example e g i.e "
    "doesn don t s ll re ve one d dont"
)
_STOP_WORDS = frozenset(_STOP_WORDS_TEXT.split())
_COVERED = frozenset((*WEEKDAYS, *DAY_PARTS, *HOURS, *MONTHS, "noon", "today", "tomorrow"))
"""Days and times: the shared sentences have them in their own frames."""
_TOPIC_WORDS = 2
_SHARED_WEIGHT = 2
"""How often the sentences of any call count against those about the assistant's subject: whatever a line is about, its
callers say yes, no, days, times and goodbye."""

_FREQUENT_SHARE = 400
"""One in so many sentences is each of the most frequent ones, however much there is to say about a subject."""

_SHORTEST_STEM = 3
_DIGITS = re.compile(r"\b(?:phone|telephone|code|pin|account|reference|order number|number)\b")
"""Parameters that are read out digit by digit."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_HEADING = re.compile(r"^[#*\-•\s]*([A-Za-z][A-Za-z0-9 '&/-]{1,40}):\s*(.*)$")


def caller_sentences(assistant: Mapping[str, Any], vocabulary: Container[str] = ()) -> tuple[str, ...]:
    """Sentences for the recogniser's language model in a stable order; lower-case spoken words. A sentence that comes
    more often is more likely.

    ``vocabulary`` tells words from what only looks like one: of what it holds, other forms are added. ``assistant`` is
    the resolved assistant configuration (wire form). Unknown shapes in it are skipped: a
    configuration that the recogniser cannot read must not keep a call from starting."""
    texts = list(_assistant_texts(assistant))
    tools = list(function_tools(assistant))
    named = headings(texts, tools)
    lines: dict[str, None] = {}
    sources: Iterable[Iterable[str]] = (
        _own_sentences(texts),
        _filled(SHORT_FRAMES + LONG_FRAMES, named),
        _filled(SHORT_FRAMES, mentions(texts)),
        _inflected((*named, *mentions(texts)), vocabulary),
        *(_tool_requests(tool) for tool in tools),
        _keywords(assistant),
    )
    for source in sources:
        for line in source:
            if spoken := spoken_words(line):
                lines.setdefault(spoken)
    sentences = tuple(lines) + _SHARED_WEIGHT * tuple(filter(None, map(spoken_words, base_sentences())))
    return sentences + max(1, len(sentences) // _FREQUENT_SHARE) * FREQUENT


def function_tools(assistant: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The ``function`` objects (name, description, parameters) of the assistant's tools."""
    model = assistant.get("model")
    tools = model.get("tools") if isinstance(model, Mapping) else None
    for tool in tools if isinstance(tools, list) else ():
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if isinstance(function, Mapping) and isinstance(function.get("name"), str):
            yield function


def headings(texts: Iterable[str], tools: Iterable[Mapping[str, Any]] = ()) -> tuple[str, ...]:
    """What the configuration itself names as topics (``Opening hours: ...``), and the choices of its tools."""
    found: dict[str, None] = {}
    for text in texts:
        for line in text.splitlines():
            if heading := _HEADING.match(line):
                found.update(dict.fromkeys(_forms(spoken_words(heading[1]))))
    for tool in tools:
        for choice in _choices(tool):
            found.update(dict.fromkeys(_forms(spoken_words(choice))))
    found.pop("", None)
    return tuple(found)[:MAX_TOPICS]


def mentions(texts: Iterable[str]) -> tuple[str, ...]:
    """Runs of content words, and their last words alone: what else the assistant's own sentences are about."""
    found: dict[str, None] = {}
    for text in texts:
        for sentence in _SENTENCE_END.split(text):
            for run in _content_runs(spoken_words(sentence).split()):
                found.setdefault(run)
    return tuple(found)[:MAX_TOPICS]


def _forms(topic: str) -> Iterator[str]:
    """The topic, its singular, and the verb in it (``parking``: ``park``)."""
    yield topic
    if topic.endswith("s") and not topic.endswith(("ss", "us", "is", "'s")) and len(topic) > _SHORTEST_STEM:
        yield topic.removesuffix("s")
    if topic.endswith("ing") and " " not in topic and len(topic) - 3 > _SHORTEST_STEM:
        yield topic.removesuffix("ing")


def _assistant_texts(assistant: Mapping[str, Any]) -> Iterator[str]:
    model = assistant.get("model")
    messages = model.get("messages") if isinstance(model, Mapping) else None
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, Mapping) else None
        if isinstance(content, str):
            yield content[:MAX_SOURCE_CHARACTERS]
    for key in ("firstMessage", "endCallMessage"):
        if isinstance(text := assistant.get(key), str):
            yield text[:MAX_SOURCE_CHARACTERS]
    yield from _about_documents(model)


def _about_documents(model: Any) -> Iterator[str]:
    """What the configuration says of the documents that its ``query`` tools search: callers ask about that."""
    tools = model.get("tools") if isinstance(model, Mapping) else None
    for tool in tools if isinstance(tools, list) else ():
        groups = tool.get("knowledgeBases") if isinstance(tool, Mapping) else None
        for group in groups if isinstance(groups, list) else ():
            for key in ("name", "description"):
                if isinstance(group, Mapping) and isinstance(text := group.get(key), str):
                    yield text[:MAX_SOURCE_CHARACTERS]


def _own_sentences(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from _SENTENCE_END.split(text)


def _content_runs(words: list[str]) -> Iterator[str]:
    run: list[str] = []
    for word in [*words, "the"]:
        if word not in _STOP_WORDS and word not in _COVERED:
            run.append(word)
            continue
        if run:
            yield " ".join(run[-_TOPIC_WORDS:])
            yield run[-1]
        run = []


def _filled(frames: Iterable[str], found: Iterable[str]) -> Iterator[str]:
    frames = tuple(frames)
    for topic in found:
        for frame in frames:
            yield frame.format(topic)


def _inflected(topics: Iterable[str], vocabulary: Container[str]) -> Iterator[str]:
    """What is said with the other forms of the topics' words."""
    for word in dict.fromkeys(word for topic in topics for word in topic.split()):
        if (found := forms(word, vocabulary)) is not None:
            yield from found.sentences()


def _choices(tool: Mapping[str, Any]) -> Iterator[str]:
    parameters = tool.get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
    for schema in properties.values() if isinstance(properties, Mapping) else ():
        values = schema.get("enum") if isinstance(schema, Mapping) else None
        for value in values if isinstance(values, list) else ():
            if isinstance(value, str):
                yield identifier_words(value) if value.isidentifier() else value


def _parameters(tool: Mapping[str, Any]) -> Iterator[str]:
    """What a tool asks for: names and descriptions of its parameters, in spoken words."""
    parameters = tool.get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
    for name, schema in properties.items() if isinstance(properties, Mapping) else ():
        yield identifier_words(str(name))
        described = schema.get("description") if isinstance(schema, Mapping) else None
        yield spoken_words(described) if isinstance(described, str) else ""


def _tool_requests(tool: Mapping[str, Any]) -> Iterator[str]:
    name = identifier_words(str(tool["name"])).split()
    if not name:
        return
    verbs = VERB_WORDS.get(name[0], (name[0],))
    thing = " ".join(name[1:])
    article = "an" if thing[:1] in tuple("aeiou") else "a"
    objects = [f"{determiner} {thing}".strip() for determiner in (article, "my", "the", "")] if thing else [""]
    choices = list(_choices(tool))
    for verb in verbs:
        for frame in REQUEST_FRAMES:
            yield frame.format(f"{verb} {objects[0]}".strip())
        for target in objects[1:]:
            for frame in REQUEST_FRAMES[::4]:
                yield frame.format(f"{verb} {target}")
    for frame in OBJECT_FRAMES:
        for target in objects:
            yield frame.format(target)
    if isinstance(description := tool.get("description"), str):
        yield from _SENTENCE_END.split(description)
    yield from _details(f"{article} {thing}" if thing else name[0], thing or name[0], choices)
    if any(_DIGITS.search(words) for words in _parameters(tool)):
        yield from digit_sequences()


def _details(target: str, thing: str, choices: Iterable[str]) -> Iterator[str]:
    """A request with its particulars: day, time and choice in the orders in which people put them."""
    for choice in choices:
        yield from (f"{target} for a {choice}", f"{target} for {choice}", f"a {choice} {thing}", f"book a {choice}")
        yield from (f"i would like to book a {choice}", f"i want to book a {choice} for monday")
        yield from (f"a {choice} on tuesday", f"a {choice} tomorrow", f"a {choice} next week", f"{choice} on friday")
        yield from (f"a {choice} for wednesday", f"can i get a {choice} on thursday", f"it is for a {choice}")
    for day in day_phrases():
        yield from (f"{target} for {day}", f"{target} on {day}", f"{thing} {day}", f"{target} {day} please")
    for time in time_phrases():
        yield from (f"{target} at {time}", f"monday at {time}", f"tomorrow at {time}")


def _keywords(assistant: Mapping[str, Any]) -> Iterator[str]:
    transcriber = assistant.get("transcriber")
    if not isinstance(transcriber, Mapping):
        return
    for key in ("keywords", "keyterm", "keytermsPrompt", "wordBoost"):
        for keyword in transcriber.get(key) or ():
            if isinstance(keyword, str):
                word = keyword.split(":")[0]
                yield from (word, f"{word} please", f"my {word}", f"the {word}", f"i want {word}")
