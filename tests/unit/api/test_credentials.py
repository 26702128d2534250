"""Keys of every provider: taken in the provider's own form, and never shown again."""

from __future__ import annotations

from typing import Any, get_args

import httpx
import pytest

from api.models.credential import ApiKeyProvider

SECRET = "s3cret"
BUCKET = {"name": "b", "url": "https://b.example", "region": "eu", "accessKeyId": SECRET, "secretAccessKey": SECRET}
BODIES: list[dict[str, Any]] = [
    *({"provider": provider, "apiKey": SECRET} for provider in get_args(ApiKeyProvider)),
    *({"provider": name, "apiKey": SECRET} for name in ("11labs", "cartesia", "deepgram", "soniox", "microsoft")),
    {
        **{"provider": "anthropic-bedrock", "region": "us-east-1"},
        "authenticationPlan": {"type": "aws-iam", "awsAccessKeyId": SECRET, "awsSecretAccessKey": SECRET},
    },
    {"provider": "azure", "service": "speech", "apiKey": SECRET},
    {
        **{"provider": "azure-openai", "region": "eastus", "models": ["gpt-4o"], "openAIKey": SECRET},
        **{"openAIEndpoint": "https://a.example", "ocpApimSubscriptionKey": SECRET},
    },
    {
        **{"provider": "byo-sip-trunk", "gateways": [{"ip": "203.0.113.7", "port": 5060}]},
        "outboundAuthenticationPlan": {"authUsername": "u", "authPassword": SECRET},
    },
    {"provider": "cloudflare", "apiKey": SECRET, "bucketPlan": BUCKET},
    {"provider": "custom-credential", "authenticationPlan": {"type": "bearer", "token": SECRET}},
    {"provider": "webhook", "authenticationPlan": {"type": "hmac", "secretKey": SECRET, "algorithm": "sha256"}},
    {"provider": "custom-llm", "apiKey": SECRET},
    {"provider": "email", "email": "alerts@acme.example"},
    {"provider": "gcp", "gcpKey": {"privateKey": SECRET}, "bucketPlan": {"name": "b", "hmacSecret": SECRET}},
    {"provider": "ghl.oauth2-authorization", "authenticationSession": {"accessToken": SECRET}},
    {"provider": "google.calendar.oauth2-client"},
    {"provider": "google.calendar.oauth2-authorization", "authorizationId": "a"},
    {"provider": "google.sheets.oauth2-authorization", "authorizationId": "a"},
    {"provider": "slack.oauth2-authorization", "authorizationId": "a"},
    {"provider": "langfuse", "publicKey": "p", "apiKey": SECRET, "apiUrl": "https://l.example"},
    {"provider": "make", "teamId": "t", "region": "eu2", "apiKey": SECRET},
    {"provider": "minimax", "apiKey": SECRET, "groupId": "g"},
    {"provider": "playht", "apiKey": SECRET, "userId": "u"},
    {
        **{"provider": "s3", "awsAccessKeyId": SECRET, "awsSecretAccessKey": SECRET, "region": "eu-west-1"},
        **{"s3BucketName": "b", "s3PathPrefix": "p"},
    },
    {"provider": "s3-compatible", "bucketPlan": BUCKET},
    {"provider": "slack-webhook", "webhookUrl": f"https://hooks.example/{SECRET}"},
    {"provider": "supabase", "bucketPlan": BUCKET},
    {"provider": "twilio", "accountSid": "AC1", "authToken": SECRET},
    {"provider": "vonage", "apiKey": SECRET, "apiSecret": SECRET},
]


def test_every_provider_of_the_published_schemas_is_here() -> None:
    assert len({body["provider"] for body in BODIES}) == len(BODIES) == 57


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body["provider"])
async def test_a_credential_shows_what_it_is_for_and_nothing_that_opens_anything(
    asking: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    created = await asking.post("/credential", json={**body, "name": "main"})
    assert created.status_code == 201, created.text
    path = f"/credential/{created.json()['id']}"
    assert (created.json()["provider"], created.json()["name"]) == (body["provider"], "main")
    for suffix in ("", "/events", "/versions", "?at=v1"):
        assert SECRET not in (await asking.get(path + suffix)).text
    unknown = await asking.post("/credential", json={**body, "apiKye": "x"})
    assert unknown.json()["message"] == ["property apiKye should not exist"]
