"""The artifact store that the settings name."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from domain.artifacts import ArtifactStore
from infra.settings import Settings
from media.artifacts.local import LocalArtifactStore


def artifact_store(settings: Settings, folder: Path) -> ArtifactStore:
    """The bucket, or ``folder`` where there is none."""
    if not settings.artifacts:
        return LocalArtifactStore(folder)
    # Its client takes a tenth of a second to load, which a folder does not need.
    from media.artifacts.s3 import Bucket, S3ArtifactStore

    place = urlsplit(settings.artifacts)
    key, secret = settings.artifacts_access_key, settings.artifacts_secret_key
    return S3ArtifactStore(
        Bucket(
            name=place.netloc,
            prefix=place.path.strip("/"),
            endpoint=settings.artifacts_endpoint,
            region=settings.artifacts_region,
            access_key=key.get_secret_value() if key else "",
            secret_key=secret.get_secret_value() if secret else "",
            presigned=settings.artifact_links == "presigned",
        )
    )
