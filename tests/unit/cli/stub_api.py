"""An HTTP server on a loopback port that gives scripted answers and keeps what it was asked."""

import json
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

from msgspec import Struct, field


class Answer(Struct):
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Asked(Struct):
    method: str
    path: str
    body: Any
    idempotency_key: str | None = None
    authorization: str | None = None


class StubApi:
    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.asked: list[Asked] = []
        self.connections = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def will_answer(self, body: Any, status: int = 200, **headers: str) -> None:
        self.answers.append(Answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()}))

    def will_refuse(self, status: int, detail: str, *pointers: str, **headers: str) -> None:
        errors = [{"pointer": pointer, "detail": detail} for pointer in pointers]
        problem = {"title": "No", "status": status, "detail": detail, **({"errors": errors} if errors else {})}
        self.will_answer(problem, status, **headers)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # The headers and the body are two writes: with the kernel's delays each answer would take 40 ms.
            disable_nagle_algorithm = True

            def setup(self) -> None:
                stub.connections += 1
                super().setup()

            def do_GET(self) -> None:
                self._answer()

            do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  # the names that http.server looks up

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base's signature
                pass

            def _answer(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body, key = json.loads(content) if content else None, self.headers.get("Idempotency-Key")
                stub.asked.append(Asked(self.command, self.path, body, key, self.headers.get("Authorization")))
                answer = stub.answers.popleft()
                text = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        return Handler
