"""An example by curl for each operation: docs/http-api.md shows them, and a test executes them all in this order."""

from typing import Final

from msgspec import Struct

URL: Final = "http://127.0.0.1:8080"
_JSON: Final = "-H 'Content-Type: application/json'"


class Example(Struct, frozen=True):
    """One command line, and what it answers with."""

    command: str
    status: int = 200
    #: Which state the job `$ID` is in.
    job: str = "succeeded"


def _get(path: str, job: str = "succeeded") -> Example:
    # What the shell would read itself is quoted.
    address = f"{URL}{path}"
    return Example(f"curl '{address}'" if set(address) & {"?", "&"} else f"curl {address}", job=job)


def _post(path: str, body: str = "", *, status: int = 200, job: str = "succeeded") -> Example:
    data = f" {_JSON} -d '{body}'" if body else ""
    return Example(f"curl -X POST {URL}{path}{data}", status, job)


EXAMPLES: Final[dict[tuple[str, str], Example]] = {
    ("POST", "/jobs"): Example(
        f"curl {URL}/jobs {_JSON} -H 'Idempotency-Key: report-42' \\\n"
        """  -d '{"type": "echo", "payload": {"customer": 42}, "priority": 8, "tags": ["customer=42"]}'""",
        202,
    ),
    ("POST", "/jobs/batch"): _post("/jobs/batch", '{"jobs": [{"payload": 1}, {"payload": 2}]}', status=202),
    ("GET", "/jobs"): _get("/jobs?status=succeeded&limit=10"),
    ("GET", "/jobs/{job_id}"): Example(f'curl "{URL}/jobs/$ID?wait=5"'),
    ("GET", "/jobs/{job_id}/result"): _get("/jobs/$ID/result"),
    ("GET", "/jobs/{job_id}/log"): _get("/jobs/$ID/log"),
    ("GET", "/jobs/{job_id}/explain"): _get("/jobs/$ID/explain", job="scheduled"),
    ("POST", "/jobs/{job_id}/stack"): _post("/jobs/$ID/stack", job="running"),
    ("POST", "/jobs/{job_id}/cancel"): _post(
        "/jobs/$ID/cancel", '{"reason": "ordered twice"}', status=202, job="running"
    ),
    ("POST", "/jobs/{job_id}/retry"): _post("/jobs/$ID/retry", status=202, job="failed"),
    ("DELETE", "/jobs/{job_id}"): Example(f"curl -X DELETE {URL}/jobs/$ID", 204),
    ("POST", "/jobs/pause"): _post("/jobs/pause", '{"queue": "reports", "reason": "the database moves"}'),
    ("GET", "/queues"): _get("/queues"),
    ("GET", "/queues/{queue}"): _get("/queues/default"),
    ("POST", "/jobs/resume"): _post("/jobs/resume", '{"queue": "reports"}'),
    ("GET", "/supervisors"): _get("/supervisors"),
    ("GET", "/workers"): _get("/workers"),
    ("GET", "/handlers"): _get("/handlers"),
    ("GET", "/stats"): _get("/stats"),
    ("GET", "/events"): Example(f"curl -N --max-time 2 -H 'Last-Event-ID: 0-0' '{URL}/events?status=failed'"),
    ("GET", "/metrics"): _get("/metrics"),
    ("GET", "/audit"): _get("/audit?limit=10"),
    ("PUT", "/schedules/{name}"): Example(
        f"curl -X PUT {URL}/schedules/report {_JSON} \\\n"
        """  -d '{"cron": "30 2 * * *", "timezone": "Europe/Berlin", "job": {"type": "echo"}, "overlap": "skip"}'""",
        201,
    ),
    ("GET", "/schedules"): _get("/schedules"),
    ("GET", "/schedules/{name}"): _get("/schedules/report?preview=5"),
    ("POST", "/schedules/{name}/pause"): _post("/schedules/report/pause", '{"reason": "holidays"}'),
    ("POST", "/schedules/{name}/resume"): _post("/schedules/report/resume"),
    ("POST", "/schedules/{name}/trigger"): _post("/schedules/report/trigger", status=202),
    ("DELETE", "/schedules/{name}"): Example(f"curl -X DELETE {URL}/schedules/report", 204),
    ("GET", "/livez"): _get("/livez"),
    ("GET", "/readyz"): _get("/readyz"),
    ("GET", "/docs"): _get("/docs"),
    ("GET", "/docs/{file}"): _get("/docs/docs.js"),
    ("GET", "/openapi.json"): _get("/openapi.json"),
    ("POST", "/supervisors/{name}/scale"): _post("/supervisors/one/scale", '{"workers": 4}', status=202),
    ("POST", "/supervisors/{name}/drain"): _post("/supervisors/one/drain", status=202),
}
