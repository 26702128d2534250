"""Where the event log lives, how its brokers are spoken to, and what its replicas keep."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import msgspec
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from streams.kafka.access import KafkaAccess, Mechanism, Security
from streams.kafka.location import KafkaLocation


class LogSettings(BaseSettings):
    """A file in the data folder unless ``log`` names a cluster; the rest concerns logs on Kafka alone."""

    log: str = Field(
        "sqlite",
        description="Where the event log lives: `sqlite`, inside the data folder, or "
        "`kafka://host:port[,host:port...][?topics=prefix]`, shared by any number of machines.",
    )
    kafka_replication: int = Field(
        3,
        ge=1,
        le=9,
        json_schema_extra={"unit": "brokers"},
        description="On how many brokers every record of a log on Kafka is kept; fewer than 3 is for development.",
    )
    kafka_shards: int = Field(
        1,
        ge=1,
        le=256,
        json_schema_extra={"unit": "partitions"},
        description="Partitions of a log on Kafka: each takes commits on its own, and an organization stays in one.",
    )
    kafka_security: Security = Field(
        "plaintext",
        description="How the brokers of a log on Kafka are spoken to: with TLS (`ssl`, `sasl_ssl`) or without, with a "
        "user name and password (`sasl_...`) or without.",
    )
    kafka_ca_file: Path | None = Field(
        None, description="Certificates (PEM) that those of the brokers must lead to; unset means the system's."
    )
    kafka_cert_file: Path | None = Field(
        None, description="Certificate (PEM) that this process shows to brokers which ask for one."
    )
    kafka_key_file: Path | None = Field(None, description="Private key (PEM) of that certificate.")
    kafka_key_password: SecretStr | None = Field(None, description="Password of that private key, if it has one.")
    kafka_sasl: Mechanism = Field("SCRAM-SHA-512", description="How user name and password are proven to brokers.")
    kafka_username: str = Field("", description="User name at the brokers, for `sasl_...`.")
    kafka_password: SecretStr | None = Field(None, description="Password at the brokers, for `sasl_...`.")
    replica_snapshots: Path | None = Field(
        None,
        description="Folder that each process copies its replicas of a log on Kafka to, once an hour, and that a "
        "process without any starts from; shared by the machines, or brought to them.",
    )
    replica_days: float = Field(
        0.0,
        ge=0,
        le=36_500,
        json_schema_extra={"unit": "days"},
        description="How long replicas of a log on Kafka keep what was said and done in calls that have ended; older "
        "ones are given up once the archive has them. 0 means for ever.",
    )
    archive_dir: Path | None = Field(
        None, description="Folder of the archive (`callfold archive --to`) that tells what replicas may give up."
    )

    @field_validator("log")
    @classmethod
    def _known_log(cls, value: str) -> str:
        if value.startswith("kafka://"):
            return str(KafkaLocation.parse(value))
        if value != "sqlite":
            raise ValueError(f"{value!r} is no kind of log; use sqlite (the default) or kafka://host:port")
        return value

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.log != "sqlite":
            self._kafka_access().check()
        if self.replica_days and self.archive_dir is None:
            raise ValueError(
                "CALLFOLD_REPLICA_DAYS needs CALLFOLD_ARCHIVE_DIR: nothing is given up before the archive has it"
            )
        return self

    @property
    def kafka(self) -> KafkaLocation | None:
        """Where the log is on Kafka; ``None`` where it is a file."""
        if self.log == "sqlite":
            return None
        return msgspec.structs.replace(KafkaLocation.parse(self.log), access=self._kafka_access())

    def _kafka_access(self) -> KafkaAccess:
        return KafkaAccess(
            security=self.kafka_security,
            ca_file=self.kafka_ca_file,
            cert_file=self.kafka_cert_file,
            key_file=self.kafka_key_file,
            key_password=self.kafka_key_password.get_secret_value() if self.kafka_key_password else "",
            mechanism=self.kafka_sasl,
            username=self.kafka_username,
            password=self.kafka_password.get_secret_value() if self.kafka_password else "",
        )
