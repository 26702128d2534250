"""Bodies of the chat endpoints."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from api.models.assistant import AssistantBody, AssistantOverrides
from api.models.base import Closed, Identifier, JsonObject, Name, Open, mark, violation
from api.models.call import Customer
from api.models.filters import PagedFilters, Several
from api.models.squad import SquadBody

LONGEST_TEXT = 10_000
_PARTS = ("text", "input_text", "output_text")


def _check_content(content: Any) -> Any:
    match content:
        case None:
            return content
        case str():
            too_long = len(content) > LONGEST_TEXT
        case list():
            for part in content:
                if (
                    not isinstance(part, dict)
                    or part.get("type") not in _PARTS
                    or not isinstance(part.get("text"), str)
                ):
                    raise violation("INVALID_VALUE", "must be a string, or an array of parts with type text and a text")
            too_long = sum(len(part["text"]) for part in content) > LONGEST_TEXT
        case _:
            raise violation("INVALID_TYPE", "must be a string, or an array of parts with type text and a text")
    if too_long:
        raise violation("OUT_OF_RANGE", f"must be shorter than or equal to {LONGEST_TEXT} characters")
    return content


class ChatMessage(Open):
    """One message. Its text is ``content``, or ``message`` as the messages of calls have it."""

    role: Literal["system", "user", "assistant", "tool", "developer"]
    content: Annotated[Any, AfterValidator(_check_content)] = None
    message: Annotated[str, Field(max_length=LONGEST_TEXT)] | None = None
    tool_call_id: Annotated[str | None, Field(alias="tool_call_id")] = None
    tool_calls: Annotated[list[JsonObject] | None, Field(alias="tool_calls")] = None
    name: Name | None = None


def _of_input(value: Any) -> str:
    if isinstance(value, str):
        return mark("text")
    return mark("messages") if isinstance(value, list) else mark("neither")


def _neither(value: Any) -> Any:
    raise violation("INVALID_TYPE", "must be a string or an array of messages with role and content")


ChatInput = Annotated[
    Annotated[str, Tag(mark("text"))]
    | Annotated[list[ChatMessage], Field(min_length=1, max_length=1000), Tag(mark("messages"))]
    | Annotated[Any, BeforeValidator(_neither, json_schema_input_type=str), Tag(mark("neither"))],
    Discriminator(_of_input),
]


class SmsTransport(Closed):
    """The answer goes out as a text message."""

    type: Literal["twilio.sms"]
    conversation_type: Literal["chat"] | None = None
    phone_number_id: Identifier | None = None
    customer: Customer | None = None
    customer_id: Identifier | None = None
    use_llm_generated_message_for_outbound: Annotated[bool | None, Field(alias="useLLMGeneratedMessageForOutbound")] = (
        None
    )


class ChatBody(Closed):
    """Body of ``POST /chat``. One target, or something that the chat goes on from."""

    input: ChatInput
    assistant_id: Identifier | None = None
    assistant: AssistantBody | None = None
    assistant_overrides: AssistantOverrides | None = None
    squad_id: Identifier | None = None
    squad: SquadBody | None = None
    session_id: Identifier | None = None
    previous_chat_id: Identifier | None = None
    name: Name | None = None
    stream: bool | None = None
    transport: SmsTransport | None = None


class ResponsesBody(ChatBody):
    """Body of ``POST /chat/responses``. What OpenAI's clients always send is taken; the assistant decides on the model.

    ``previous_response_id`` is the id of a chat, as ``previousChatId``.
    """

    model: str | None = None
    previous_response_id: Annotated[Identifier | None, Field(alias="previous_response_id")] = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    user: str | None = None


class ChatFilters(PagedFilters):
    """``GET /chat``."""

    id: str | None = None
    id_any: Several | None = None
    assistant_id: str | None = None
    assistant_id_any: Several | None = None
    squad_id: str | None = None
    session_id: str | None = None
    previous_chat_id: str | None = None
