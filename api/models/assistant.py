"""An assistant's configuration as a request brings it, alone or inside a call, and overrides of one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from api.models.base import Closed, Identifier, JsonObject, Name, Spoken, Url
from api.models.model import Model
from api.models.plans import (
    AnalysisPlan,
    ArtifactPlan,
    BackgroundSpeechDenoisingPlan,
    CompliancePlan,
    FirstMessageMode,
    Hook,
    KeypadInputPlan,
    MessagePlan,
    MonitorPlan,
    ObservabilityPlan,
    Server,
    StartSpeakingPlan,
    StopSpeakingPlan,
    TransportConfiguration,
    check_background_sound,
    check_voicemail_detection,
)
from api.models.tools import Tool
from api.models.transcriber import Transcriber
from api.models.voice import Voice

ClientMessage = Literal[
    "conversation-update",
    "assistant.speechStarted",
    "function-call",
    "function-call-result",
    "hang",
    "language-changed",
    "language-change-detected",
    "metadata",
    "model-output",
    "speech-update",
    "status-update",
    "transcript",
    "tool-calls",
    "tool-calls-result",
    "tool.completed",
    "transfer-update",
    "user-interrupted",
    "voice-input",
    "workflow.node.started",
    "assistant.started",
]
ServerMessage = Literal[
    "assistant.started",
    "assistant.speechStarted",
    "conversation-update",
    "end-of-call-report",
    "function-call",
    "hang",
    "language-changed",
    "language-change-detected",
    "model-output",
    "phone-call-control",
    "speech-update",
    "status-update",
    "transcript",
    'transcript[transcriptType="final"]',
    "tool-calls",
    "transfer-destination-request",
    "handoff-destination-request",
    "transfer-update",
    "user-interrupted",
    "voice-input",
    "chat.created",
    "chat.deleted",
    "session.created",
    "session.updated",
    "session.deleted",
    "call.deleted",
    "call.delete.failed",
    "call.artifact.upload",
]
EndCallPhrase = Annotated[str, Field(min_length=2, max_length=140)]


class AssistantBody(Closed):
    """Body of ``POST`` and ``PATCH /assistant``. Nothing is required; null clears a field."""

    name: Name | None = None
    transcriber: Transcriber | None = None
    model: Model | None = None
    voice: Voice | None = None
    first_message: str | None = None
    first_message_interruptions_enabled: bool | None = None
    first_message_mode: FirstMessageMode | None = None
    voicemail_detection: Annotated[Any, AfterValidator(check_voicemail_detection)] = None
    client_messages: list[ClientMessage] | None = None
    server_messages: list[ServerMessage] | None = None
    max_duration_seconds: Annotated[float, Field(ge=10, le=43_200)] | None = None
    background_sound: Annotated[str, AfterValidator(check_background_sound)] | None = None
    model_output_in_messages_enabled: bool | None = None
    transport_configurations: list[TransportConfiguration] | None = None
    observability_plan: ObservabilityPlan | None = None
    credentials: list[JsonObject] | None = None
    hooks: list[Hook] | None = None
    voicemail_message: Spoken | None = None
    end_call_message: Spoken | None = None
    end_call_phrases: list[EndCallPhrase] | None = None
    compliance_plan: CompliancePlan | None = None
    metadata: JsonObject | None = None
    background_speech_denoising_plan: BackgroundSpeechDenoisingPlan | None = None
    analysis_plan: AnalysisPlan | None = None
    artifact_plan: ArtifactPlan | None = None
    start_speaking_plan: StartSpeakingPlan | None = None
    stop_speaking_plan: StopSpeakingPlan | None = None
    monitor_plan: MonitorPlan | None = None
    credential_ids: list[Identifier] | None = None
    server: Server | None = None
    keypad_input_plan: KeypadInputPlan | None = None

    # Accepted and used by the platform although its published schema does not list them.
    silence_timeout_seconds: Annotated[float, Field(ge=10, le=3_600)] | None = None
    customer_join_timeout_seconds: Annotated[float, Field(ge=1, le=60)] | None = None
    message_plan: MessagePlan | None = None
    background_denoising_enabled: bool | None = None
    backchanneling_enabled: bool | None = None
    recording_enabled: bool | None = None
    hipaa_enabled: bool | None = None
    end_call_function_enabled: bool | None = None
    dial_keypad_function_enabled: bool | None = None
    forwarding_phone_number: str | None = None
    forwarding_phone_numbers: list[Any] | None = None
    server_url: Url | None = None
    server_url_secret: str | None = None
    llm_request_delay_seconds: Annotated[float, Field(ge=0, le=3)] | None = None
    response_delay_seconds: Annotated[float, Field(ge=0, le=2)] | None = None
    num_words_to_interrupt_assistant: Annotated[float, Field(ge=0, le=10)] | None = None


class AssistantOverrides(AssistantBody):
    """Changes to an assistant for one call. ``model``, ``voice`` and ``transcriber`` may be given in part."""

    variable_values: JsonObject | None = None
    tools_append: Annotated[list[Tool] | None, Field(alias="tools:append")] = None
