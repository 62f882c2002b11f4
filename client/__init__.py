"""jobworker from another program: submit jobs, wait for them, read and change them. Needs neither Redis nor handlers.

>>> with Client("http://127.0.0.1:8080") as client:                             # doctest: +SKIP
...     job = client.submit("image.resize", {"path": "a.png"})
...     print(client.wait(job.id).result)

`AsyncClient` has the same methods, to be awaited. Needs the extra `client` (httpx2).
"""

from jobworker.client.client import Client
from jobworker.client.errors import (
    ClientError,
    Conflict,
    Forbidden,
    Invalid,
    ItemRefused,
    NotEnded,
    NotFound,
    NotReachable,
    QueueFull,
    Refused,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from jobworker.client.job import JobError, JobView, LogItem
from jobworker.client.nonblocking import AsyncClient

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "Conflict",
    "Forbidden",
    "Invalid",
    "ItemRefused",
    "JobError",
    "JobView",
    "LogItem",
    "NotEnded",
    "NotFound",
    "NotReachable",
    "QueueFull",
    "Refused",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
]
