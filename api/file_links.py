"""Signed links to what was uploaded and to the text of it: they work for a while and need no key."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from api.context import ApiContext
from api.errors import unauthorized
from api.models.filters import Query, parse_query
from domain.signing import check_download, download_signature

_ROUNDED_SECONDS: Final = 3_600
"""Links expire on the hour, so that an object looks the same when it is read twice."""


class FileLinkQuery(Query):
    """The signed part of a link; a request with a key has neither."""

    expires: int | None = None
    signature: str | None = None


class FileLinks:
    """Makes links to paths of this server, and says whether a request follows one."""

    def __init__(self, context: ApiContext) -> None:
        self._settings = context.dependencies.settings
        self._clock = context.dependencies.clock

    def url(self, path: str) -> str:
        """A link that works for one to two hours, or for as long as download links do if that is longer."""
        least = max(self._settings.limits.download_link_seconds, _ROUNDED_SECONDS)
        expires = (int(self._clock().timestamp()) + least) // _ROUNDED_SECONDS * _ROUNDED_SECONDS + _ROUNDED_SECONDS
        signature = download_signature(self._settings.signing_secret, path, expires)
        return f"{self._settings.base_url()}{path}?expires={expires}&signature={signature}"

    def followed(self, request: Request, path: str) -> bool:
        """Whether ``request`` carries a signature for ``path``. Raises ``Problem`` (400, 401) for one that is wrong."""
        query = parse_query(request, FileLinkQuery)
        if query.signature is None or query.expires is None:
            return False
        now = int(self._clock().timestamp())
        verdict = check_download(self._settings.signing_secret, path, query.expires, query.signature, now=now)
        if verdict != "valid":
            reason = "has expired" if verdict == "expired" else "was altered"
            raise unauthorized(f"The download link {reason}.", detail="Read the file again for a new one.")
        return True
