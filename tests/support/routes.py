"""The routes of the application, without an application and without a Redis."""

from collections.abc import Iterator

import redis

from jobworker.api.app import create_routes
from jobworker.api.availability import Availability
from jobworker.store.jobs import JobStore
from jobworker.store.keys import Keys
from jobworker.store.retention import Retention
from jobworker.store.settings import Settings


def all_routes() -> dict[str, object]:
    """Return the resource at each path; its store would connect with the first question."""
    available = Availability(lambda: None)
    try:
        return create_routes(JobStore(redis.Redis(), Keys(), Retention()), available, Settings())
    finally:
        available.close()


def all_responders() -> Iterator[tuple[str, str, object]]:
    """Yield method, path and resource of all that can be asked."""
    for path, resource in all_routes().items():
        for name in dir(resource):
            if name.startswith("on_"):
                yield name.removeprefix("on_").upper(), path, resource
