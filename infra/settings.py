"""Every setting of callfold: type, default, unit, bounds, one sentence."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from domain.pricing.tables import PRICE_TABLES
from infra.artifact_settings import ArtifactSettings
from infra.call_settings import CallSettings
from infra.log_settings import LogSettings
from infra.vendor_settings import VendorSettings, base_url

PREFIX = "CALLFOLD_"
LOOPBACK = ("127.0.0.0/8", "::1/128")
"""Where a demonstration's own tool server may be reached; never a server's default."""


class SettingsInvalid(Exception):
    """One or more settings cannot be used; the message names each variable, what is wrong and what is legal."""


class Settings(LogSettings, CallSettings, ArtifactSettings, VendorSettings):
    """Read once at start from the environment, and from the file that ``CALLFOLD_ENV_FILE`` names."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", populate_by_name=True)

    data_dir: Path = Field(
        Path("data"),
        description="Folder that holds the log, the analytics engine's files, recordings and the server's secret.",
    )
    cache_dir: Path | None = Field(
        None,
        description="Folder for what can be fetched again, such as the Apache Kafka of `callfold dev kafka`; unset "
        "means `$XDG_CACHE_HOME/callfold`, else `~/.cache/callfold`.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` for every network.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    public_url: str = Field(
        "",
        description="Base of the call, listen, control and download URLs handed out, when clients reach the server "
        "by another address than it listens on; empty means `http://host:port`.",
    )
    media_url: str = Field(
        "",
        description="Base of the call, listen and control URLs handed out, where calls are served by processes of "
        "their own (`callfold media`); empty means the public URL.",
    )
    node_host: str = Field(
        "",
        description="Name or address by which the other processes of the installation reach this one, to forward "
        "control of its calls; empty means the address it listens on.",
    )
    clickhouse: str = Field(
        "embedded",
        description="Analytics engine: `embedded` (chDB, in the data folder) or the `http(s)://user:password@host:port/"
        "database` of a ClickHouse server.",
    )
    table_days: str = Field(
        "",
        description="Days after which rows leave the analytics tables, by table: `messages=90,*=730` (`*` is every "
        "table that is not named); empty means that they stay. The log itself is not touched.",
    )
    statement_disk_mb: int = Field(
        4_096,
        ge=1,
        le=1_000_000,
        json_schema_extra={"unit": "MB"},
        description="What the temporary files of an analyst's statement or of an insight may take of the disk, and on "
        "a ClickHouse server those of all statements of an account together; a statement that needs more is refused, "
        "and so is one that would leave less than 1 GB of the disk free.",
    )
    zero_data_retention: bool = Field(
        False,
        description="Keep neither recordings, transcripts and messages, nor logs of any call: only that it was, what "
        "it cost and how fast it was.",
    )
    fragment_days: int = Field(
        30,
        ge=0,
        le=36_500,
        json_schema_extra={"unit": "days"},
        description="How long the `fragments` table keeps partial transcripts, measuring points and inputs of calls; "
        "0 means for ever.",
    )
    fragment_words: bool = Field(
        False,
        description="Whether the `fragments` table keeps the words of partial transcripts and of the model's pieces of "
        "text; without it only their lengths.",
    )
    egress_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Private networks (CIDRs, separated by commas) that requests to tenants' servers (messages, tools, "
        "custom models, token servers) may reach; public addresses are always allowed, private ones only when listed.",
    )
    private_requests_per_minute: int = Field(
        30_000,
        ge=0,
        le=100_000,
        json_schema_extra={"unit": "requests"},
        description="API requests that one organization may send in a minute with private keys, to each process, "
        "unless it has a limit of its own; more are answered 429. 0 means no limit.",
    )
    public_requests_per_minute: int = Field(
        3_000,
        ge=0,
        le=100_000,
        json_schema_extra={"unit": "requests"},
        description="The same with public keys.",
    )
    upload_mb: int = Field(
        100, ge=1, le=2_048, json_schema_extra={"unit": "MB"}, description="Largest file that can be uploaded."
    )
    organization_files: int = Field(
        1_000,
        ge=1,
        le=100_000,
        json_schema_extra={"unit": "files"},
        description="Uploads that one organization may keep.",
    )
    organization_file_mb: int = Field(
        5_000,
        ge=1,
        le=1_000_000,
        json_schema_extra={"unit": "MB"},
        description="What the uploads of one organization may take together.",
    )
    extraction_seconds: int = Field(
        60,
        ge=1,
        le=3_600,
        json_schema_extra={"unit": "s"},
        description="Processor time that reading the text of one upload may take; the file fails otherwise.",
    )
    extraction_memory_mb: int = Field(
        768,
        ge=256,
        le=65_536,
        json_schema_extra={"unit": "MB"},
        description="Address space of the process that reads the text of an upload.",
    )
    extracted_text_mb: int = Field(
        10,
        ge=1,
        le=100,
        json_schema_extra={"unit": "MB"},
        description="Most text that is taken from one upload.",
    )
    secret: SecretStr | None = Field(
        None,
        description="Key that signs call and download URLs (32 characters or more); unset means one is made and kept "
        "in the data folder.",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Key (32 characters or more) under which tenants' keys and passwords are sealed on the log; "
        "several, separated by commas, while one is replaced: the first seals, all open. Unset means that they are "
        "kept as they are sent. What was sealed cannot be opened without it.",
    )
    checkpoint_key: SecretStr | None = Field(
        None,
        description="Private key (Ed25519, 64 hexadecimal digits) that signs where the log's chain stands, for "
        "`callfold verify`; unset means one is made and kept in the data folder.",
    )
    metrics_token: SecretStr | None = Field(
        None,
        description="Bearer token that opens `GET /metrics` for a Prometheus server; unset means that only the "
        "operator token of the running system does.",
    )
    price_table: str = Field(
        "", description="Dated price table that new calls are charged by; empty means the newest one built in."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log line that is printed."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="Log lines for people or for machines; `auto` is `console` on a terminal, else `json`."
    )

    @field_validator("egress_allow", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)):
            return value
        networks = tuple(str(part).strip() for part in parts if str(part).strip())
        for network in networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ValueError(f"{error}; give networks such as 10.0.0.0/8,192.168.1.20/32") from None
        return networks

    @field_validator("public_url", "media_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        return base_url(value)

    @field_validator("clickhouse")
    @classmethod
    def _analytics_engine(cls, value: str) -> str:
        if value != "embedded" and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("use embedded (the default) or the http:// or https:// URL of a ClickHouse server")
        return value

    @field_validator("table_days")
    @classmethod
    def _known_tables(cls, value: str) -> str:
        if value:
            from projections.retention import parse_retention

            parse_retention(value)
        return value

    @field_validator("price_table")
    @classmethod
    def _known_price_table(cls, value: str) -> str:
        if value and value not in PRICE_TABLES:
            raise ValueError(f"there is no price table {value!r}; choose one of {', '.join(sorted(PRICE_TABLES))}")
        return value

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("a signing secret needs 32 characters or more, for example from: openssl rand -hex 32")
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_keys(cls, value: SecretStr | None) -> SecretStr | None:
        parts = [part.strip() for part in value.get_secret_value().split(",")] if value is not None else []
        if any(len(part) < 32 for part in parts):
            raise ValueError("each key needs 32 characters or more, for example from: openssl rand -hex 32")
        return value

    def cache_folder(self) -> Path:
        """Where to keep what can be fetched again."""
        if self.cache_dir is not None:
            return self.cache_dir
        # An empty or relative path counts as unset, says the XDG Base Directory Specification.
        given = Path(os.environ.get("XDG_CACHE_HOME", ""))
        return (given if given.is_absolute() else Path.home() / ".cache") / "callfold"

    @field_validator("node_host")
    @classmethod
    def _host_alone(cls, value: str) -> str:
        if "/" in value or value.count(":") == 1:
            raise ValueError(f"{value!r} must be a host name or an address, without scheme and port")
        return value

    @field_validator("checkpoint_key")
    @classmethod
    def _ed25519_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            from streams.log.checkpoint_key import CheckpointKey

            CheckpointKey.parse(value.get_secret_value())
        return value

    def base_url(self, port: int | None = None) -> str:
        """The public URL, or the one that the listening address gives (``port`` is the real one when 0 was asked)."""
        return self.public_url or self.local_url(port)

    def local_url(self, port: int | None = None) -> str:
        """Where processes of this machine reach this one."""
        return _http(_NAMES.get(self.host, self.host), port or self.port)

    def node_url(self, port: int | None = None) -> str:
        """Where the other processes of the installation reach this one."""
        return _http(self.node_host, port or self.port) if self.node_host else self.local_url(port)

    @property
    def listens_everywhere(self) -> bool:
        """Whether the listening address says nothing about how others reach this machine."""
        return self.host in _NAMES


_NAMES = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - names, not binds
"""Addresses that mean every network, and by which name this machine itself is reached then."""


def _http(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def load(**overrides: Any) -> Settings:
    """Settings from the environment; ``overrides`` that are not None (command-line options) win.

    Raises ``SettingsInvalid`` that names the environment variables at fault.
    """
    file = os.environ.get(PREFIX + "ENV_FILE")
    if file and not Path(file).is_file():
        raise SettingsInvalid(f"{PREFIX}ENV_FILE names {file}, which is not a file")
    try:
        return Settings(_env_file=file, **{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise SettingsInvalid("; ".join(_problems(error))) from None


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_input=False, include_url=False):
        if not problem["loc"]:
            yield problem["msg"].removeprefix("Value error, ")
            continue
        field = str(problem["loc"][0])
        name = field if field.isupper() else variable(field)
        yield f"{name}: {problem['msg'].removeprefix('Value error, ')}"


def variable(field: str) -> str:
    """The environment variable of a field."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field.upper()
