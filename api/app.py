"""The WSGI application: the route table on one screen."""

import falcon

from jobworker.api.authentication import Authentication
from jobworker.api.availability import Availability
from jobworker.api.callback import Callbacks
from jobworker.api.catalogue import Catalogue
from jobworker.api.followers import Followers
from jobworker.api.guard import LoopbackGuard
from jobworker.api.keyring import Keyring
from jobworker.api.listener import needs_keys
from jobworker.api.middleware import Envelope, Meter, Patience
from jobworker.api.reader import JobReader
from jobworker.api.recorder import Recorder
from jobworker.api.refusals import Refusals
from jobworker.api.repeater import Repeater
from jobworker.api.resources.audit import Audit
from jobworker.api.resources.batch import Batch
from jobworker.api.resources.cancel import Cancel
from jobworker.api.resources.collection import Handlers, Queues, Supervisors, Workers
from jobworker.api.resources.control import Drain, Scale
from jobworker.api.resources.docs import Docs, DocsFile
from jobworker.api.resources.events import Events
from jobworker.api.resources.explain import Explain
from jobworker.api.resources.health import Liveness, Readiness
from jobworker.api.resources.jobs import Job, Jobs
from jobworker.api.resources.log import Log
from jobworker.api.resources.metrics import Metrics
from jobworker.api.resources.openapi import OpenApi
from jobworker.api.resources.pause import Pause, Resume
from jobworker.api.resources.queue import Queue
from jobworker.api.resources.result import Result
from jobworker.api.resources.retry import Retry
from jobworker.api.resources.schedules import (
    PauseSchedule,
    ResumeSchedule,
    Schedule,
    Schedules,
    TriggerSchedule,
)
from jobworker.api.resources.stack import Stack
from jobworker.api.resources.stats import Stats
from jobworker.api.strikes import Strikes
from jobworker.api.submission import Submission
from jobworker.api.traffic import Traffic, TrafficRow
from jobworker.api.validation import Validators
from jobworker.store.jobs import JobStore
from jobworker.store.settings import Settings

App = falcon.App[falcon.Request, falcon.Response]


def create_routes(
    store: JobStore, available: Availability, settings: Settings, row: TrafficRow | None = None
) -> dict[str, object]:
    """Return the resource at each path; `row`: where requests are counted."""
    row = row or Traffic().row(0)
    catalogue = Catalogue(store.handlers)
    validators = Validators()
    submission = Submission(catalogue, settings.jobs, validators, callbacks=Callbacks(settings.webhooks))
    reader = JobReader(store, submission)
    repeater = Repeater(available, patience_seconds=settings.redis.timeout / 2)

    routes: dict[str, object] = {
        "/jobs": Jobs(
            *(store, available, submission, repeater, reader), keep_keys_seconds=settings.jobs.keep_idempotency_keys
        ),
        "/jobs/batch": Batch(
            *(store, available, submission, repeater), keep_keys_seconds=settings.jobs.keep_idempotency_keys
        ),
        "/jobs/{job_id}": Job(store, available, reader, repeater),
        "/jobs/{job_id}/cancel": Cancel(store, reader, repeater),
        "/jobs/{job_id}/retry": Retry(store, reader, repeater),
        "/jobs/{job_id}/log": Log(store, available, Followers(settings.api.threads)),
        "/jobs/{job_id}/result": Result(store, available),
        "/jobs/{job_id}/explain": Explain(store, available),
        "/jobs/{job_id}/stack": Stack(store, available),
        "/jobs/pause": Pause(store, repeater),
        "/jobs/resume": Resume(store, repeater),
        "/queues": Queues(store, available),
        "/queues/{queue}": Queue(store.fleet, available),
        "/supervisors": Supervisors(store, available),
        "/supervisors/{name}/scale": Scale(store.control, repeater),
        "/supervisors/{name}/drain": Drain(store.control, repeater),
        "/schedules": Schedules(store, available),
        "/schedules/{name}": Schedule(store, available, submission, repeater),
        "/schedules/{name}/pause": PauseSchedule(store, repeater),
        "/schedules/{name}/resume": ResumeSchedule(store, repeater),
        "/schedules/{name}/trigger": TriggerSchedule(store, submission, repeater),
        "/workers": Workers(store, available),
        "/handlers": Handlers(store, available),
        "/stats": Stats(store.stats, available),
        "/events": Events(store.events, available),
        "/metrics": Metrics(store, available, row),
        "/audit": Audit(store.trail, available),
        "/livez": Liveness(),
        "/readyz": Readiness(store, available),
        "/docs": Docs(),
        "/docs/{file}": DocsFile(),
    }
    described = OpenApi(validators, catalogue, settings.jobs.default_handler, available)
    routes |= {"/openapi.json": described}
    described.describe(routes)
    return routes


def create_app(store: JobStore, available: Availability, settings: Settings, row: TrafficRow | None = None) -> App:
    """Return the application over `store`, which counts its requests in `row`, or for itself."""
    row = row or Traffic().row(0)
    routes = create_routes(store, available, settings, row)
    row.name_paths(routes)
    keyring = Keyring(store.api_keys, available, required=needs_keys(settings.api))
    app = falcon.App()
    app.req_options.strip_url_path_trailing_slash = True
    app.add_middleware(Meter(row))
    app.add_middleware(Envelope())
    app.add_middleware(Patience())
    app.add_middleware(Authentication(keyring, LoopbackGuard(settings.api), Strikes()))
    app.add_middleware(Recorder(store.trail, available))
    Refusals(list(routes)).install(app)
    for path, resource in routes.items():
        app.add_route(path, resource)
    return app
