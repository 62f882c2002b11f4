"""An `http` handler: a service that gets its payload by POST and answers with its result."""

import socket
import ssl
from dataclasses import dataclass

from msgspec import Raw

from jobworker.handlers.context import Job
from jobworker.handlers.foreign.address import LookUp
from jobworker.handlers.foreign.endpoint import Endpoint
from jobworker.handlers.foreign.headers import Headers
from jobworker.handlers.foreign.url import Url


@dataclass(frozen=True, slots=True)
class Service:
    """A service and how it is spoken to."""

    url: Url
    headers: Headers
    #: Whether it may be where only we can reach it.
    allow_private: bool = False
    tls: ssl.SSLContext | None = None
    look_up: LookUp = socket.getaddrinfo

    def call(self, payload: bytes, job: Job) -> Raw | None:
        """Return the body of its answer; None: it was empty. Raises Retry, Fail, BadResult or RequestFailed."""
        headers, seconds_left = self.headers.of(job), job.seconds_left
        endpoint = Endpoint(self.url, self.allow_private, self.tls, self.look_up)
        return endpoint.post(payload, headers, seconds_left).result()
