"""ClickHouse's HTTP interface in front of the engine as a library: for what a process does with a server by URL.

``python -m tests.simulators.clickhouse_server FOLDER PORT`` says its port on its output and serves until its input
ends. The SQL is run by the real engine; the rest is as the interface is documented: the statement comes as the
parameter ``query`` or as the body, rows to insert as the body behind it, perhaps compressed, values as ``param_name``,
settings as parameters of their own; an exception is a status with its text. There are no users, and no replicas.

https://clickhouse.com/docs/interfaces/http
"""

from __future__ import annotations

import gzip
import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame  # type: ignore[import-untyped]  # it has no types, and one function is used
import zstandard

from projections.table import quoted

_OF_THE_INTERFACE = frozenset(
    {
        "query",
        "database",
        "session_id",
        "session_timeout",
        "query_id",
        "default_format",
        "compress",
        "decompress",
        "enable_http_compression",
        "buffer_size",
        "wait_end_of_query",
        "client_protocol_version",
        "role",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "cancel_http_readonly_queries_on_client_close",
    }
)
"""Parameters that are no settings of the engine."""

_INSERT = re.compile(rb"^\s*(INSERT\s+INTO\s+[^']+?)\s+FORMAT\s+(\w+)[ ;]*(?:\n|$)", re.IGNORECASE)
_CODE = re.compile(r"Code: (\d+)")
_NOT_FOUND = frozenset({60, 81})
_DECOMPRESS = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.decompress,
    "lz4": lz4.frame.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


class Handler(BaseHTTPRequestHandler):
    """One connection; its requests come one after the other."""

    protocol_version = "HTTP/1.1"
    folder: ClassVar[Path]

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n")
        else:
            self._run(b"")

    def do_POST(self) -> None:
        encoding = self.headers.get("content-encoding", "")
        self._run(_DECOMPRESS[encoding](self._body()))

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def _run(self, body: bytes) -> None:
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        statement = given.get("query", "")
        try:
            answer = self._executed(f"{statement}\n".encode() + body if statement else body, given)
        except Exception as error:
            # Whatever the engine raises is the client's to read.
            code = int(found[1]) if (found := _CODE.search(str(error))) else 0
            headers = {"X-ClickHouse-Exception-Code": str(code)}
            self._answer(404 if code in _NOT_FOUND else 500, str(error).encode(), headers)
        else:
            self._answer(200, answer)

    def _executed(self, statement: bytes, given: dict[str, str]) -> bytes:
        values = {name.removeprefix("param_"): value for name, value in given.items() if name.startswith("param_")}
        # The read-only one last: nothing can be set behind it.
        settings = sorted(
            ((n, v) for n, v in given.items() if n not in _OF_THE_INTERFACE and not n.startswith("param_")),
            key=lambda setting: setting[0] == "readonly",
        )
        connection = chdb.connect(str(self.folder))
        try:
            for name, value in settings:
                connection.query(f"SET {name} = {quoted(value)}")
            insert = _INSERT.match(statement)
            if insert is None or not statement[insert.end() :]:
                result: bytes = connection.query(statement.decode(), "TabSeparated", params=values).bytes()
                return result
            with tempfile.NamedTemporaryFile() as file:
                file.write(statement[insert.end() :])
                file.flush()
                into, form = insert[1].decode(), insert[2].decode()
                connection.query(f"{into} FROM INFILE '{file.name}' FORMAT {form}")
            return b""
        finally:
            connection.close()

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"X-ClickHouse-Timezone": "UTC", "X-ClickHouse-Summary": "{}", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(folder: Path, port: int) -> None:
    Handler.folder = folder
    keeping_open = chdb.connect(str(folder))
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.read()
    keeping_open.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
