"""The WSGI application: the route table on one screen."""

from operator import attrgetter

import falcon

from jobworker.api.availability import Availability
from jobworker.api.catalogue import Catalogue
from jobworker.api.fleet import view_handler, view_queue, view_supervisor, view_worker
from jobworker.api.followers import Followers
from jobworker.api.middleware import Envelope, LoopbackGuard, Patience
from jobworker.api.reader import JobReader
from jobworker.api.refusals import Refusals
from jobworker.api.repeater import Repeater
from jobworker.api.resources.cancel import Cancel
from jobworker.api.resources.collection import Collection
from jobworker.api.resources.control import Drain, Scale
from jobworker.api.resources.health import Liveness, Readiness
from jobworker.api.resources.jobs import Job, Jobs
from jobworker.api.resources.log import Log
from jobworker.api.resources.pause import Pause, Resume
from jobworker.api.resources.queue import Queue
from jobworker.api.resources.retry import Retry
from jobworker.api.resources.stack import Stack
from jobworker.api.resources.stats import Stats
from jobworker.api.submission import Submission
from jobworker.store.catalogue import HandlerEntry
from jobworker.store.jobs import JobStore
from jobworker.store.settings import Settings

App = falcon.App[falcon.Request, falcon.Response]


def create_app(store: JobStore, available: Availability, settings: Settings) -> App:
    """Return the application over `store`."""
    catalogue = Catalogue(store.handlers)
    submission = Submission(catalogue, settings.jobs)
    reader = JobReader(store, submission)
    repeater = Repeater(available, patience_seconds=settings.redis.timeout / 2)

    def handlers() -> list[HandlerEntry]:
        return sorted(store.handlers().values(), key=attrgetter("type"))

    routes: dict[str, object] = {
        "/jobs": Jobs(
            *(store, available, submission, repeater, reader), keep_keys_seconds=settings.jobs.keep_idempotency_keys
        ),
        "/jobs/{job_id}": Job(store, available, reader, repeater),
        "/jobs/{job_id}/cancel": Cancel(store, reader, repeater),
        "/jobs/{job_id}/retry": Retry(store, reader, repeater),
        "/jobs/{job_id}/log": Log(store, available, Followers(settings.api.threads)),
        "/jobs/{job_id}/stack": Stack(store, available),
        "/jobs/pause": Pause(store, repeater),
        "/jobs/resume": Resume(store, repeater),
        "/queues": Collection(store.fleet.queues, view_queue, available),
        "/queues/{queue}": Queue(store.fleet, available),
        "/supervisors": Collection(store.fleet.supervisors, view_supervisor, available),
        "/supervisors/{name}/scale": Scale(store.control, repeater),
        "/supervisors/{name}/drain": Drain(store.control, repeater),
        "/workers": Collection(store.fleet.workers, view_worker, available),
        "/handlers": Collection(handlers, view_handler, available),
        "/stats": Stats(store.stats, available),
        "/livez": Liveness(),
        "/readyz": Readiness(store, available),
    }
    app = falcon.App()
    app.req_options.strip_url_path_trailing_slash = True
    app.add_middleware(Envelope())
    app.add_middleware(Patience())
    app.add_middleware(LoopbackGuard(settings.api))
    Refusals(list(routes)).install(app)
    for path, resource in routes.items():
        app.add_route(path, resource)
    return app
