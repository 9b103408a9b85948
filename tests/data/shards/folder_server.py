"""A real HTTP server on loopback that gives the files of a folder, and fails when it is told to."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Server:
    """A folder on loopback, and what it does wrong.

    Attributes:
        faults: of coming GET answers, one each: a status, "cut", "close", "stall".
        ranges: whether it gives ranges.
        always: a fault of every answer.
        asked: (method, path, range) of each request.
        failed: the paths of the requests that a fault was the answer to.
    """

    folder: Path
    faults: list[Any] = field(default_factory=list)
    ranges: bool = True
    always: int | None = None
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def ranges_asked(self) -> int:
        return sum(method == "GET" for method, _, _ in self.asked)


class Handler(http.server.BaseHTTPRequestHandler):
    server_state: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        state, wanted = self.server_state, self.headers.get("Range")
        state.asked.append((self.command, self.path, wanted))
        path = state.folder / self.path.partition("?")[0].lstrip("/")
        fault = state.always or (state.faults.pop(0) if body and state.faults else None)
        if fault is not None:
            state.failed.append(self.path)
        if fault == "close":
            self.close_connection = True
            return
        if fault == "stall":
            time.sleep(1.0)
            self.close_connection = True
            return
        if isinstance(fault, int) or not path.is_file():
            self.send_response(fault if isinstance(fault, int) else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = path.read_bytes()
        total = len(data)
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted or "")
        if match and state.ranges:
            start, stop = int(match[1]), min(int(match[2]) + 1, total)
            data = data[start:stop]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{total}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{total}"')
        self.end_headers()
        if body:
            self.wfile.write(data[: len(data) // 2] if fault == "cut" else data)
        if fault == "cut":
            self.close_connection = True


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server of this folder."""
    state = Server(folder)
    handler = type("H", (Handler,), {"server_state": state})
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    listening.daemon_threads = True
    state.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
