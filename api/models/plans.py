"""The plans of an assistant: when to speak and stop, what to keep, whom to tell."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from api.models.base import (
    Closed,
    Expression,
    Identifier,
    JsonObject,
    Open,
    Spoken,
    Url,
    by_field,
    check_url,
    mark,
    violation,
)

Seconds = Annotated[float, Field(ge=0)]
FirstMessageMode = Literal[
    "assistant-speaks-first", "assistant-speaks-first-with-model-generated-message", "assistant-waits-for-user"
]


class BackoffPlan(Closed):
    """How a failed request to the tenant's server is tried again."""

    type: Literal["fixed", "exponential"]
    max_retries: Annotated[float, Field(ge=0, le=10)]
    base_delay_seconds: Annotated[float, Field(ge=0, le=10)]
    excluded_status_codes: list[Any] | None = None


class Server(Closed):
    """Where the tenant's own server takes webhooks and tool calls. ``secret`` is kept but never shown again."""

    url: Url | None = None
    timeout_seconds: Annotated[float, Field(ge=1, le=300)] | None = None
    credential_id: str | None = None
    static_ip_addresses_enabled: bool | None = None
    encrypted_paths: list[str] | None = None
    headers: dict[str, str] | None = None
    backoff_plan: BackoffPlan | None = None
    secret: str | None = None


class SmartEndpointingPlan(Open):
    """Which turn model decides that the caller has finished."""

    provider: Literal["vapi", "livekit", "custom-endpointing-model"]
    wait_function: str | None = None
    server: Server | None = None


class _EndpointingRule(Closed):
    timeout_seconds: Annotated[float, Field(ge=0, le=15)]


class OneSidedEndpointingRule(_EndpointingRule):
    """A pause to wait for when what one side said last matches."""

    type: Literal["assistant", "customer", "both"]
    regex: Expression
    regex_options: list[JsonObject] | None = None


class BothEndpointingRule(_EndpointingRule):
    """A pause to wait for when what both sides said last matches."""

    type: Literal["both"]
    assistant_regex: Expression
    assistant_regex_options: list[JsonObject] | None = None
    customer_regex: Expression
    customer_regex_options: list[JsonObject] | None = None


EndpointingRule = Annotated[
    Annotated[BothEndpointingRule, Tag(mark("both"))] | Annotated[OneSidedEndpointingRule, Tag(mark("one"))],
    Discriminator(by_field("type", {"both": mark("both")}, mark("one"))),
]


class TranscriptionEndpointingPlan(Closed):
    """Pauses after a final transcript, by how it ends."""

    on_punctuation_seconds: Annotated[float, Field(ge=0, le=3)] | None = None
    on_no_punctuation_seconds: Annotated[float, Field(ge=0, le=3)] | None = None
    on_number_seconds: Annotated[float, Field(ge=0, le=3)] | None = None


def _check_smart_endpointing(value: Any) -> Any:
    if value is None or isinstance(value, bool) or value == "livekit":
        return value
    raise violation("INVALID_CHOICE", "must be one of the following values: true, false, livekit")


class StartSpeakingPlan(Closed):
    """When the assistant takes its turn."""

    wait_seconds: Annotated[float, Field(ge=0, le=5)] | None = None
    smart_endpointing_enabled: Annotated[Any, AfterValidator(_check_smart_endpointing)] = None
    smart_endpointing_plan: SmartEndpointingPlan | None = None
    custom_endpointing_rules: list[EndpointingRule] | None = None
    transcription_endpointing_plan: TranscriptionEndpointingPlan | None = None


Phrase = Annotated[str, Field(max_length=240)]


class StopSpeakingPlan(Closed):
    """When the caller's voice or words cut the assistant off."""

    num_words: Annotated[float, Field(ge=0, le=10)] | None = None
    voice_seconds: Annotated[float, Field(ge=0, le=0.5)] | None = None
    backoff_seconds: Annotated[float, Field(ge=0, le=10)] | None = None
    acknowledgement_phrases: list[Phrase] | None = None
    interruption_phrases: list[Phrase] | None = None


class MonitorPlan(Closed):
    """Who may listen to and steer running calls."""

    listen_enabled: bool | None = None
    listen_authentication_enabled: bool | None = None
    control_enabled: bool | None = None
    control_authentication_enabled: bool | None = None
    monitor_ids: list[str] | None = None


class TranscriptPlan(Closed):
    """How the written transcript names the two sides."""

    enabled: bool | None = None
    assistant_name: str | None = None
    user_name: str | None = None


class ArtifactPlan(Closed):
    """What is kept of a call."""

    recording_enabled: bool | None = None
    recording_format: Literal["wav;l16", "mp3"] | None = None
    recording_use_custom_storage_enabled: bool | None = None
    recording_path: str | None = None
    video_recording_enabled: bool | None = None
    full_message_history_enabled: bool | None = None
    pcap_enabled: bool | None = None
    pcap_s3_path_prefix: str | None = None
    pcap_use_custom_storage_enabled: bool | None = None
    logging_enabled: bool | None = None
    logging_use_custom_storage_enabled: bool | None = None
    logging_path: str | None = None
    transcript_plan: TranscriptPlan | None = None
    structured_output_ids: list[Identifier] | None = None
    structured_outputs: list[JsonObject] | None = None
    scorecard_ids: list[Identifier] | None = None
    scorecards: list[JsonObject] | None = None


class RecordingConsentPlan(Open):
    """How the caller's consent to recording is asked for."""

    type: Literal["stay-on-line", "verbal"]
    message: Spoken
    wait_seconds: Annotated[float, Field(ge=1, le=6)] | None = None
    first_message_mode: Literal["assistant-speaks-first", "assistant-waits-for-user"] | None = None


class SecurityFilterPlan(Closed):
    """What is taken out of the caller's words before the model reads them."""

    enabled: bool | None = None
    filters: list[JsonObject] | None = None
    mode: Literal["sanitize", "reject", "replace"] | None = None
    replacement_text: str | None = None


class CompliancePlan(Closed):
    """Rules of the trade that the calls are held under."""

    hipaa_enabled: bool | None = None
    pci_enabled: bool | None = None
    security_filter_plan: SecurityFilterPlan | None = None
    recording_consent_plan: RecordingConsentPlan | None = None


class AnalysisPlan(Closed):
    """What is worked out after a call."""

    min_messages_threshold: Annotated[float, Field(ge=0)] | None = None
    summary_plan: JsonObject | None = None
    structured_data_plan: JsonObject | None = None
    structured_data_multi_plan: list[JsonObject] | None = None
    success_evaluation_plan: JsonObject | None = None
    outcome_ids: list[str] | None = None


class SmartDenoisingPlan(Closed):
    """Denoising by a model."""

    enabled: bool | None = None


class FourierDenoisingPlan(Closed):
    """Denoising by spectral subtraction."""

    enabled: bool | None = None
    media_detection_enabled: bool | None = None
    static_threshold: Annotated[float, Field(ge=-80, le=0)] | None = None
    baseline_offset_db: Annotated[float, Field(ge=-30, le=-5)] | None = None
    window_size_ms: Annotated[float, Field(ge=1000, le=30000)] | None = None
    baseline_percentile: Annotated[float, Field(ge=1, le=99)] | None = None


class BackgroundSpeechDenoisingPlan(Closed):
    """How other voices and noise are taken out of the caller's audio."""

    smart_denoising_plan: SmartDenoisingPlan | None = None
    fourier_denoising_plan: FourierDenoisingPlan | None = None


Delimiter = Literal["#", "*", ""]


def _one_or_several(value: Any) -> str:
    return mark("several") if isinstance(value, list) else mark("one")


Delimiters = Annotated[
    Annotated[Delimiter, Tag(mark("one"))] | Annotated[list[Delimiter], Tag(mark("several"))],
    Discriminator(_one_or_several),
]
"""The document says that it is one key; its own examples write a list."""


class KeypadInputPlan(Closed):
    """How the caller's key presses become a message."""

    enabled: bool | None = None
    timeout_seconds: Annotated[float, Field(ge=0, le=10)] | None = None
    delimiters: Delimiters | None = None


class ObservabilityPlan(Closed):
    """Where traces of the model's work go."""

    provider: Literal["langfuse"]
    tags: list[str]
    prompt_name: str | None = None
    prompt_version: Annotated[float, Field(ge=1)] | None = None
    trace_name: str | None = None
    metadata: JsonObject | None = None


class TransportConfiguration(Closed):
    """Settings of one carrier."""

    provider: Literal["twilio"]
    timeout: Annotated[float, Field(ge=1, le=600)] | None = None
    record: bool | None = None
    recording_channels: Literal["mono", "dual"] | None = None


class Hook(Open):
    """Something to do when something happens in a call."""

    on: Annotated[str, Field(max_length=1000)]
    do: list[JsonObject]
    filters: list[JsonObject] | None = None
    options: JsonObject | None = None
    name: Annotated[str, Field(max_length=1000)] | None = None


class MessagePlan(Closed):
    """What the assistant says into a caller's silence."""

    idle_messages: list[Spoken] | None = None
    idle_timeout_seconds: Annotated[float, Field(ge=1, le=3600)] | None = None
    idle_message_max_spoken_count: Annotated[float, Field(ge=0, le=100)] | None = None
    idle_message_reset_count_on_user_speech_enabled: bool | None = None
    silence_timeout_message: Spoken | None = None


def check_background_sound(value: str) -> str:
    """``off``, ``office``, or where the sound is."""
    return value if value in {"off", "office"} else check_url(value)


VOICEMAIL_PROVIDERS = ("google", "openai", "twilio", "vapi")


def check_voicemail_detection(value: Any) -> Any:
    """``"off"`` or a plan of one of four providers."""
    if value is None or value == "off":
        return value
    if isinstance(value, dict) and value.get("provider") in VOICEMAIL_PROVIDERS:
        return value
    choices = ", ".join(VOICEMAIL_PROVIDERS)
    raise violation("INVALID_VALUE", f'must be "off" or an object whose provider is one of: {choices}')
