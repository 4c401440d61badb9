"""A server of files on this machine that can cut the line, send wrong bytes, know no ranges, or refuse."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


@dataclass
class Server:
    """What a server of files does wrong: `cuts` answers end early, `lies` answers have wrong bytes."""

    folder: Path
    ranges: bool = True
    cuts: int = 0
    lies: int = 0
    wrong: bytes = b"something else"
    status: int = 200
    address: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        self.asked.append((handler.path, wanted))
        if self.status != 200:
            handler.send_error(self.status)
            return
        content = (self.folder / unquote(handler.path.rsplit("/", 1)[1])).read_bytes()
        if self.lies:
            self.lies -= 1
            content = self.wrong
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if start and start >= len(content):
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        end = len(content)
        if self.cuts:
            self.cuts -= 1
            end = start + (len(content) - start) // 2
        handler.wfile.write(content[start:end])


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve the files of `folder`; `address` is where."""
    server = Server(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.address = f"http://127.0.0.1:{http.server_address[1]}/files/"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
