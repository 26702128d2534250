"""Settings of calls: how many run, when new ones are refused, what they wait for, and how browsers reach them.

Part of ``infra.settings.Settings``.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from domain.web_calls import parse_ice_server


class CallSettings(BaseSettings):
    """How calls are held."""

    think_ahead: bool = Field(
        True,
        description="Whether calls ask the model while the pause still runs that decides whether a caller is done: "
        "answers come sooner, and requests whose answer is not wanted in the end are paid for.",
    )
    interruption_words: int = Field(
        0,
        ge=0,
        le=10,
        json_schema_extra={"unit": "words"},
        description="Words that interrupt an assistant which does not say how many do (`stopSpeakingPlan.numWords`); "
        "with 0 the voice alone interrupts.",
    )
    max_calls: int = Field(
        100, ge=1, le=10_000, json_schema_extra={"unit": "calls"}, description="Calls that may run at the same time."
    )
    organization_calls: int = Field(
        100,
        ge=0,
        le=10_000,
        json_schema_extra={"unit": "calls"},
        description="Calls of one organization that may wait or run at the same time, unless the operator gives it a "
        "limit of its own; more are created and end with "
        "`call.start.error-subscription-concurrency-limit-reached`.",
    )
    admission_lag_ms: float = Field(
        50.0,
        ge=1,
        le=10_000,
        json_schema_extra={"unit": "ms"},
        description="New calls are refused (close code 1013) while the 20 ms clock of the running ones has been later "
        "than this, at the 99th percentile, for three seconds.",
    )
    admission_busy_percent: float = Field(
        85.0,
        ge=5,
        le=100,
        json_schema_extra={"unit": "%"},
        description="New calls are refused too while the thread that serves all calls of a process worked for more "
        "than this part of the last second, or would with those that were just let in: delays show only when it is too "
        "late.",
    )
    admission_call_percent: float = Field(
        0.5,
        ge=0.01,
        le=100,
        json_schema_extra={"unit": "%"},
        description="Which part of that thread's time a call is taken to need, before it has been seen what calls need "
        "here.",
    )
    admission_start_wait_ms: float = Field(
        500.0,
        ge=10,
        le=60_000,
        json_schema_extra={"unit": "ms"},
        description="New calls are refused while they would wait for longer than this until they are put together.",
    )
    admission_log_wait_ms: float = Field(
        1_000.0,
        ge=10,
        le=600_000,
        json_schema_extra={"unit": "ms"},
        description="New calls are refused while what calls record waits for longer than this until the log has it.",
    )
    connect_seconds: float = Field(
        60.0,
        ge=1,
        le=86_400,
        json_schema_extra={"unit": "s"},
        description="How long a call waits for its connection after it was created; then it ends with "
        "`call.in-progress.error-vapifault-transport-never-connected`.",
    )
    drain_seconds: float = Field(
        10.0,
        ge=0.1,
        le=300,
        json_schema_extra={"unit": "s"},
        description="How long SIGTERM waits for running calls to be ended and recorded.",
    )
    ice_servers: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="STUN and TURN servers for calls from browsers, separated by commas: `stun:host:port`, "
        "`turn:user:password@host:port`. Browsers are told them, passwords too.",
    )
    webrtc_addresses: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses of this machine that browsers are told to send their sound to, separated by commas; "
        "empty means all of them, without loopback ones.",
    )
    code_program: Path | None = Field(
        None,
        description="Deno's executable, which runs the TypeScript of `code` tools in processes without access to files "
        "or network (`pip install callfold[code]` brings one); unset switches such tools off.",
    )

    @field_validator("ice_servers", "webrtc_addresses", mode="before")
    @classmethod
    def _parted(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("ice_servers")
    @classmethod
    def _ice_servers(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for server in value:
            parse_ice_server(server.get_secret_value())
        return value

    @field_validator("webrtc_addresses")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            try:
                ipaddress.ip_address(address)
            except ValueError as error:
                raise ValueError(f"{error}; give addresses such as 192.0.2.10,2001:db8::10") from None
        return value
