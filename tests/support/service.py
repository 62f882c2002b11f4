"""An HTTP service on loopback that answers as it is told and remembers what it was asked."""

import ssl
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from msgspec import Struct


class Asked(Struct):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


class Service:
    """Owns a server and its threads; closed by `close`."""

    def __init__(self, certificate: Path | None = None, port: int = 0) -> None:
        self.asked: list[Asked] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b"null"
        #: Called in place of an answer.
        self.act: Callable[[BaseHTTPRequestHandler], None] | None = None
        self._server = _Server(self, port)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            # The handshake belongs to the connection's own thread: one that fails must not end the server.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.port = self._server.server_port
        self.ended = threading.Event()

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Set what it answers from now on; `Retry_After` stands for `Retry-After`."""
        self.status, self.body = status, body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def hang(self) -> None:
        """Answer nothing until it is closed."""
        self.ended.wait()

    def close(self) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, service: Service, port: int) -> None:
        self.service = service
        super().__init__(("127.0.0.1", port), _RequestHandler)


class _RequestHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        service = _service(self)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        service.asked.append(Asked(self.path, dict(self.headers), body))
        (service.act or _answer)(self)

    def handle(self) -> None:
        # The client may go, or not like the certificate.
        with suppress(OSError):
            super().handle()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        pass


def _service(request: BaseHTTPRequestHandler) -> Service:
    assert isinstance(request.server, _Server)
    return request.server.service


def _answer(request: BaseHTTPRequestHandler) -> None:
    service = _service(request)
    request.send_response(service.status)
    for name, value in {**service.headers, "Content-Length": str(len(service.body))}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(service.body)


def make_certificate(folder: Path, name: str) -> Path:
    """Return a file with a key and a certificate for this name, signed by itself."""
    file = folder / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    options = ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    key = folder / f"{name}.key"
    subprocess.run([*command, *options, "-keyout", str(key), "-out", str(file)], check=True, capture_output=True)
    file.write_text(file.read_text() + key.read_text())
    return file
