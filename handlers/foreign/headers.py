"""The headers of a request to a service: those of the declaration, and those that tell of the job."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jobworker.handlers.context import Job
from jobworker.handlers.errors import InvalidDeclaration
from jobworker.handlers.foreign.secret import Secret

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")
#: What the request itself decides, besides what tells of the job.
_OF_THE_REQUEST: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding", "expect"}
)
_OF_THE_JOB: Final = frozenset(
    {"idempotency-key", "x-job-id", "x-job-type", "x-job-attempt", "x-job-token", "traceparent", "tracestate"}
)


@dataclass(frozen=True, slots=True)
class Headers:
    """Declared headers, whose secrets are read anew for each request."""

    declared: Mapping[str, str | Secret]
    #: Where the files are that they name.
    folder: Path

    def check(self) -> None:
        """Raise InvalidDeclaration unless they can be sent."""
        for name in self.declared:
            if not _NAME.match(name):
                raise InvalidDeclaration(f"has a header {name!r}, which is no name of a header")
            if name.lower() in _OF_THE_REQUEST | _OF_THE_JOB:
                raise InvalidDeclaration(f"has a header {name}, which every request has already")
        self._read()

    def of(self, job: Job) -> dict[str, str]:
        """Return all headers of a job's request. Raises InvalidDeclaration if a secret is gone."""
        return {
            **self._read(),
            "Content-Type": "application/json",
            "Connection": "close",
            # The same in every attempt: a service that remembers it does the work once.
            "Idempotency-Key": job.id,
            "X-Job-Id": job.id,
            "X-Job-Type": job.type,
            "X-Job-Attempt": str(job.attempt),
            "X-Job-Token": str(job.fencing_token),
            **job.trace_headers,
        }

    def _read(self) -> dict[str, str]:
        return {name: self._value(name, value) for name, value in self.declared.items()}

    def _value(self, name: str, value: str | Secret) -> str:
        try:
            text = value if isinstance(value, str) else value.read(self.folder)
        except InvalidDeclaration as error:
            raise InvalidDeclaration(f"has a header {name} that {error}") from None
        if not _VALUE.match(text):
            # Not shown: it may be a secret.
            raise InvalidDeclaration(f"has a header {name} whose value cannot be sent: line breaks or beyond Latin-1")
        return text
