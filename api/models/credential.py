"""Keys of providers, of every provider there is, told apart by ``provider``.

The field lists are those of the ``Create…CredentialDTO`` schemas of https://api.vapi.ai/api-json.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Discriminator, Field, RootModel, Tag

from api.models.base import Closed, JsonObject, Name, Open, Url, by_field, mark, one_of

Secret = Annotated[str, Field(min_length=1, max_length=10_000)]
Position = Annotated[float, Field(ge=1)]
"""The order in which storage of several providers is tried."""


class _CredentialCore(Closed):
    name: Annotated[Name, Field(min_length=1)] | None = None


ApiKeyProvider = Literal[
    "anthropic",
    "anyscale",
    "assembly-ai",
    "cerebras",
    "deepinfra",
    "deep-seek",
    "gladia",
    "gohighlevel",
    "google",
    "groq",
    "hume",
    "inflection-ai",
    "inworld",
    "lmnt",
    "mistral",
    "neuphonic",
    "openai",
    "openrouter",
    "perplexity-ai",
    "rime-ai",
    "runpod",
    "smallest-ai",
    "speechmatics",
    "tavus",
    "together-ai",
    "wellsaid",
    "xai",
]


class ApiKeyCredential(_CredentialCore):
    """A provider that needs a key and nothing else."""

    provider: ApiKeyProvider
    api_key: Secret


class ApiUrlCredential(_CredentialCore):
    """A provider that can be reached at another address."""

    provider: Literal["11labs", "cartesia", "deepgram", "soniox"]
    api_key: Secret
    api_url: Url | None = None


class BedrockCredential(_CredentialCore):
    """Anthropic's models in an AWS account."""

    provider: Literal["anthropic-bedrock"]
    region: str
    authentication_plan: JsonObject


class AzureCredential(_CredentialCore):
    """Azure speech or blob storage."""

    provider: Literal["azure"]
    service: Literal["speech", "blob_storage"]
    region: str | None = None
    api_key: Secret | None = None
    fallback_index: Position | None = None
    bucket_plan: JsonObject | None = None


class AzureOpenAICredential(_CredentialCore):
    """OpenAI's models in an Azure account."""

    provider: Literal["azure-openai"]
    region: str
    models: list[str]
    open_ai_key: Annotated[Secret, Field(alias="openAIKey")]
    open_ai_endpoint: Annotated[Url, Field(alias="openAIEndpoint")]
    ocp_apim_subscription_key: Secret | None = None


class SipGateway(Closed):
    """A gateway of a SIP trunk."""

    ip: str
    port: Annotated[float, Field(ge=1, le=65_535)] | None = None
    netmask: Annotated[float, Field(ge=24, le=32)] | None = None
    inbound_enabled: bool | None = None
    outbound_enabled: bool | None = None
    outbound_protocol: Literal["tls/srtp", "tcp", "tls", "udp"] | None = None
    options_ping_enabled: bool | None = None


class SipTrunkCredential(_CredentialCore):
    """The tenant's own SIP trunk."""

    provider: Literal["byo-sip-trunk"]
    gateways: list[SipGateway]
    outbound_authentication_plan: JsonObject | None = None
    outbound_leading_plus_enabled: bool | None = None
    tech_prefix: str | None = None
    sip_diversion_header: str | None = None
    sbc_configuration: JsonObject | None = None


class CloudflareCredential(_CredentialCore):
    """Storage at Cloudflare."""

    provider: Literal["cloudflare"]
    account_id: str | None = None
    api_key: Secret | None = None
    account_email: str | None = None
    fallback_index: Position | None = None
    bucket_plan: JsonObject | None = None


class PlannedCredential(_CredentialCore):
    """How requests to the tenant's own server prove who sends them."""

    provider: Literal["custom-credential", "webhook"]
    authentication_plan: JsonObject
    encryption_plan: JsonObject | None = None


class CustomModelCredential(_CredentialCore):
    """The tenant's own model."""

    provider: Literal["custom-llm"]
    api_key: Secret
    authentication_plan: JsonObject | None = None


class EmailCredential(_CredentialCore):
    """Where alerts go."""

    provider: Literal["email"]
    email: str


class GoogleCloudCredential(_CredentialCore):
    """Storage at Google Cloud."""

    provider: Literal["gcp"]
    gcp_key: JsonObject
    region: str | None = None
    fallback_index: Position | None = None
    bucket_plan: JsonObject | None = None


class SessionCredential(_CredentialCore):
    """An OAuth session that was opened elsewhere."""

    provider: Literal["ghl.oauth2-authorization"]
    authentication_session: JsonObject


class CalendarClientCredential(_CredentialCore):
    """Access to a calendar by Google's own client."""

    provider: Literal["google.calendar.oauth2-client"]


class AuthorizationCredential(_CredentialCore):
    """An authorization that was granted in a browser."""

    provider: Literal[
        "google.calendar.oauth2-authorization", "google.sheets.oauth2-authorization", "slack.oauth2-authorization"
    ]
    authorization_id: str


class LangfuseCredential(_CredentialCore):
    """Where traces of models go."""

    provider: Literal["langfuse"]
    public_key: str
    api_key: Secret
    api_url: Url


class MakeCredential(_CredentialCore):
    """Automations at Make."""

    provider: Literal["make"]
    team_id: str
    region: str
    api_key: Secret


class MicrosoftCredential(_CredentialCore):
    """Microsoft's voices."""

    provider: Literal["microsoft"]
    api_key: Secret
    region: str | None = None


class MinimaxCredential(_CredentialCore):
    """Minimax's models and voices."""

    provider: Literal["minimax"]
    api_key: Secret
    group_id: str


class PlayHtCredential(_CredentialCore):
    """PlayHT's voices."""

    provider: Literal["playht"]
    api_key: Secret
    user_id: str


class S3Credential(_CredentialCore):
    """Storage at AWS."""

    provider: Literal["s3"]
    aws_access_key_id: Secret
    aws_secret_access_key: Secret
    region: str
    s3_bucket_name: Annotated[str, Field(alias="s3BucketName")]
    s3_path_prefix: Annotated[str, Field(alias="s3PathPrefix")]
    fallback_index: Position | None = None


class BucketCredential(_CredentialCore):
    """Storage that speaks S3's protocol."""

    provider: Literal["s3-compatible"]
    bucket_plan: JsonObject
    fallback_index: Position | None = None


class SlackWebhookCredential(_CredentialCore):
    """A channel that alerts go to."""

    provider: Literal["slack-webhook"]
    webhook_url: Url


class SupabaseCredential(_CredentialCore):
    """Storage at Supabase."""

    provider: Literal["supabase"]
    bucket_plan: JsonObject | None = None
    fallback_index: Position | None = None


class TwilioCredential(_CredentialCore):
    """A Twilio account."""

    provider: Literal["twilio"]
    account_sid: str
    auth_token: Secret | None = None
    api_key: Secret | None = None
    api_secret: Secret | None = None


class VonageCredential(_CredentialCore):
    """A Vonage account."""

    provider: Literal["vonage"]
    api_key: Secret
    api_secret: Secret


_TAGS = {
    **dict.fromkeys(get_args(ApiKeyProvider), "key"),
    **dict.fromkeys(("11labs", "cartesia", "deepgram", "soniox"), "url"),
    **dict.fromkeys(("custom-credential", "webhook"), "planned"),
    **dict.fromkeys(
        ("google.calendar.oauth2-authorization", "google.sheets.oauth2-authorization", "slack.oauth2-authorization"),
        "authorization",
    ),
    "anthropic-bedrock": "bedrock",
    "azure": "azure",
    "azure-openai": "azure-openai",
    "byo-sip-trunk": "sip",
    "cloudflare": "cloudflare",
    "custom-llm": "custom-llm",
    "email": "email",
    "gcp": "gcp",
    "ghl.oauth2-authorization": "session",
    "google.calendar.oauth2-client": "client",
    "langfuse": "langfuse",
    "make": "make",
    "microsoft": "microsoft",
    "minimax": "minimax",
    "playht": "playht",
    "s3": "s3",
    "s3-compatible": "bucket",
    "slack-webhook": "slack",
    "supabase": "supabase",
    "twilio": "twilio",
    "vonage": "vonage",
}


class UnknownCredential(Open):
    """What has none of the providers: of it only that is said."""

    provider: Annotated[str, one_of(_TAGS)]


_Credential = Annotated[
    Annotated[ApiKeyCredential, Tag(mark("key"))]
    | Annotated[ApiUrlCredential, Tag(mark("url"))]
    | Annotated[PlannedCredential, Tag(mark("planned"))]
    | Annotated[AuthorizationCredential, Tag(mark("authorization"))]
    | Annotated[BedrockCredential, Tag(mark("bedrock"))]
    | Annotated[AzureCredential, Tag(mark("azure"))]
    | Annotated[AzureOpenAICredential, Tag(mark("azure-openai"))]
    | Annotated[SipTrunkCredential, Tag(mark("sip"))]
    | Annotated[CloudflareCredential, Tag(mark("cloudflare"))]
    | Annotated[CustomModelCredential, Tag(mark("custom-llm"))]
    | Annotated[EmailCredential, Tag(mark("email"))]
    | Annotated[GoogleCloudCredential, Tag(mark("gcp"))]
    | Annotated[SessionCredential, Tag(mark("session"))]
    | Annotated[CalendarClientCredential, Tag(mark("client"))]
    | Annotated[LangfuseCredential, Tag(mark("langfuse"))]
    | Annotated[MakeCredential, Tag(mark("make"))]
    | Annotated[MicrosoftCredential, Tag(mark("microsoft"))]
    | Annotated[MinimaxCredential, Tag(mark("minimax"))]
    | Annotated[PlayHtCredential, Tag(mark("playht"))]
    | Annotated[S3Credential, Tag(mark("s3"))]
    | Annotated[BucketCredential, Tag(mark("bucket"))]
    | Annotated[SlackWebhookCredential, Tag(mark("slack"))]
    | Annotated[SupabaseCredential, Tag(mark("supabase"))]
    | Annotated[TwilioCredential, Tag(mark("twilio"))]
    | Annotated[VonageCredential, Tag(mark("vonage"))]
    | Annotated[UnknownCredential, Tag(mark("other"))],
    Discriminator(by_field("provider", {name: mark(tag) for name, tag in _TAGS.items()}, mark("other"))),
]


class CredentialBody(RootModel[_Credential]):
    """Body of ``POST /credential``."""
