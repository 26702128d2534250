"""Which Kafka cluster, and which of its topics: the meaning of a ``kafka://`` URL."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import msgspec

from streams.kafka.access import OPEN, KafkaAccess

DEFAULT_PORT = 9092
DEFAULT_PREFIX = "callfold"

_HOST = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>\d{1,5}))?", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}", re.ASCII)
_VERSION = re.compile(r"\d{1,2}\.\d{1,2}", re.ASCII)
_CREDENTIALS = re.compile(r"//[^/]*@")
_FORM = "kafka://host:port[,host:port...][?topics=prefix]"


class InvalidLocation(ValueError):
    """Text that names no Kafka cluster; the message shows what is wrong and the expected form."""

    def __init__(self, text: str, problem: str) -> None:
        shown = _CREDENTIALS.sub("//***@", text)
        super().__init__(f"{shown!r} does not name a Kafka cluster: {problem}; the form is {_FORM}")


class KafkaLocation(msgspec.Struct, frozen=True):
    """``bootstrap`` holds ``host:port`` of the brokers to ask first; the others are learned from them.

    Every topic's name begins with ``prefix``, so that several installations may share a cluster. ``protocol`` is asked
    of the brokers when None; a stand-in for a broker that cannot tell (librdkafka's mock cluster) has to be told.
    ``access`` is how brokers are spoken to; no URL carries it, since URLs are shown.
    """

    bootstrap: tuple[str, ...]
    prefix: str = DEFAULT_PREFIX
    protocol: tuple[int, int] | None = None
    access: KafkaAccess = OPEN

    @classmethod
    def parse(cls, text: str) -> KafkaLocation:
        """Read ``kafka://a:9092,b:9092?topics=callfold``; ``protocol=2.2`` may follow. Raises ``InvalidLocation``."""
        parts = urlsplit(text)
        if parts.scheme != "kafka":
            raise InvalidLocation(text, "it does not begin with kafka://")
        if parts.path not in ("", "/") or parts.fragment:
            raise InvalidLocation(text, "nothing may stand after the addresses but ?topics=")
        bootstrap = tuple(_address(text, address.strip()) for address in parts.netloc.split(","))
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        prefix = options.pop("topics", DEFAULT_PREFIX)
        if not _PREFIX.fullmatch(prefix):
            raise InvalidLocation(
                text, f"topics={prefix} is no topic prefix (letters, digits, '.', '_' and '-', at most 200)"
            )
        protocol = options.pop("protocol", None)
        if protocol is not None and not _VERSION.fullmatch(protocol):
            raise InvalidLocation(text, f"protocol={protocol} is not a Kafka version such as 2.2")
        if options:
            raise InvalidLocation(text, f"option {next(iter(options))!r} is not known")
        return cls(bootstrap, prefix, _version(protocol) if protocol else None)

    def topic(self, name: str) -> str:
        """The full name of one of our topics: ``log`` is ``callfold.log``."""
        return f"{self.prefix}.{name}"

    @property
    def servers(self) -> str:
        """The bootstrap addresses as one text."""
        return ",".join(self.bootstrap)

    def __str__(self) -> str:
        options = []
        if self.prefix != DEFAULT_PREFIX:
            options.append(f"topics={self.prefix}")
        if self.protocol is not None:
            options.append(f"protocol={self.protocol[0]}.{self.protocol[1]}")
        return f"kafka://{self.servers}" + ("?" + "&".join(options) if options else "")


def _address(text: str, address: str) -> str:
    if not address:
        raise InvalidLocation(text, "an address is empty")
    if "@" in address:
        raise InvalidLocation(text, "user names and passwords do not go into it, but into settings of their own")
    found = _HOST.fullmatch(address)
    if found is None:
        raise InvalidLocation(text, f"{address!r} is not host:port")
    port = int(found["port"] or DEFAULT_PORT)
    if not 0 < port < 65536:
        raise InvalidLocation(text, f"port {port} is not between 1 and 65535")
    return f"{found['host']}:{port}"


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)
