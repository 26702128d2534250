"""Where recordings, call logs and uploads are kept."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from infra.vendor_settings import base_url


class ArtifactSettings(BaseSettings):
    """A folder is for one machine; machines that share a log share a bucket too."""

    artifacts: str = Field(
        "",
        description="Where recordings, call logs and uploads are kept: `s3://bucket/prefix` for a bucket of an "
        "S3-compatible store, which machines share; empty means the folder `artifacts` of the data folder.",
    )
    artifacts_endpoint: str = Field(
        "", description="URL of the S3-compatible server that has the bucket; empty means Amazon's."
    )
    artifacts_region: str = Field("us-east-1", description="Region of the bucket, which requests are signed for.")
    artifacts_access_key: SecretStr | None = Field(
        None,
        validation_alias="AWS_ACCESS_KEY_ID",
        description="Access key for the bucket; unset means the role of the machine.",
    )
    artifacts_secret_key: SecretStr | None = Field(
        None, validation_alias="AWS_SECRET_ACCESS_KEY", description="Secret of the access key."
    )
    artifact_links: Literal["proxied", "presigned"] = Field(
        "proxied",
        description="How clients fetch artifacts of a bucket: `proxied` through this server, or `presigned` from the "
        "bucket itself, which they must be able to reach.",
    )

    @field_validator("artifacts")
    @classmethod
    def _bucket(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme != "s3" or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("give s3://bucket or s3://bucket/prefix, or leave it empty for the data folder")
        return value.rstrip("/")

    @field_validator("artifacts_endpoint")
    @classmethod
    def _endpoint(cls, value: str) -> str:
        return base_url(value)

    @model_validator(mode="after")
    def _key_and_secret(self) -> ArtifactSettings:
        if (self.artifacts_access_key is None) != (self.artifacts_secret_key is None):
            raise ValueError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together; set both or neither")
        return self
