"""How brokers are to be believed, and how they are to believe us: TLS and SASL.

Checked when settings are read, so that a wrong file or a missing password is told by the name of its setting, and not
by brokers that hang up without a word.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Literal

import msgspec

Security = Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_PREFIX = "CALLFOLD_KAFKA_"
_ENCRYPTED = ("ssl", "sasl_ssl")
_WITH_PASSWORD = ("sasl_plaintext", "sasl_ssl")


class InvalidAccess(ValueError):
    """Settings of TLS or SASL that cannot be used together, or a file that cannot; the message names the setting."""


class KafkaAccess(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """``ca_file`` holds the certificates that brokers' own must lead to (PEM; the system's, where it is None);
    ``cert_file`` and ``key_file`` are this client's own, where brokers ask for one."""

    security: Security = "plaintext"
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    key_password: str = ""
    mechanism: Mechanism = "SCRAM-SHA-512"
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        """Without secrets: it may end up in a trace."""
        return f"KafkaAccess({self.security})"

    @property
    def encrypted(self) -> bool:
        """Whether brokers are spoken to by TLS."""
        return self.security in _ENCRYPTED

    def check(self) -> None:
        """Raises ``InvalidAccess``."""
        self._check_parts()
        if self.encrypted:
            self.tls()

    def options(self) -> dict[str, Any]:
        """What kafka-python's clients are told. Raises ``InvalidAccess``."""
        self.check()
        told: dict[str, Any] = {"security_protocol": self.security.upper()}
        if self.encrypted:
            told["ssl_context"] = self.tls()
        if self.security in _WITH_PASSWORD:
            told["sasl_mechanism"] = self.mechanism
            told["sasl_plain_username"] = self.username
            told["sasl_plain_password"] = self.password
        return told

    def tls(self) -> ssl.SSLContext:
        """Certificates are checked, and that they are of the host that was asked for. Raises ``InvalidAccess``."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as problem:
            raise InvalidAccess(
                f"{_PREFIX}CA_FILE={self.ca_file} cannot be used: {_said(problem)}; name a file of PEM certificates"
            ) from problem
        if self.cert_file is not None and self.key_file is not None:
            try:
                # A function, since OpenSSL would ask the terminal for a password that it was not given.
                context.load_cert_chain(self.cert_file, self.key_file, password=lambda: self.key_password)
            except (OSError, ssl.SSLError) as problem:
                raise InvalidAccess(
                    f"{_PREFIX}CERT_FILE={self.cert_file} with {_PREFIX}KEY_FILE={self.key_file} cannot be used: "
                    f"{_said(problem)}; name a PEM certificate and its private key, and {_PREFIX}KEY_PASSWORD if the "
                    "key has one"
                ) from problem
        return context

    def _check_parts(self) -> None:
        files = {"CA_FILE": self.ca_file, "CERT_FILE": self.cert_file, "KEY_FILE": self.key_file}
        given = [name for name, path in files.items() if path is not None]
        if given and not self.encrypted:
            raise InvalidAccess(
                f"{_PREFIX}{given[0]} is of no use with {_PREFIX}SECURITY={self.security}; set ssl or sasl_ssl"
            )
        if (self.cert_file is None) != (self.key_file is None):
            missing = "CERT_FILE" if self.cert_file is None else "KEY_FILE"
            raise InvalidAccess(f"{_PREFIX}{missing} is missing: a certificate and its private key go together")
        if self.security in _WITH_PASSWORD:
            for name, text in (("USERNAME", self.username), ("PASSWORD", self.password)):
                if not text:
                    raise InvalidAccess(f"{_PREFIX}{name} is missing; {_PREFIX}SECURITY={self.security} needs it")
        elif self.username or self.password:
            raise InvalidAccess(
                f"a user name or password is of no use with {_PREFIX}SECURITY={self.security}; "
                "set sasl_ssl or sasl_plaintext"
            )


OPEN = KafkaAccess()
"""No TLS and no password: brokers on a network of one's own."""


def _said(problem: Exception) -> str:
    return getattr(problem, "strerror", None) or str(problem)
