"""Falcon on waitress with nothing else: `python -m benchmarks.http.bare PORT REDIS_URL CALL_FILE`.

Each POST is read as JSON, put into Redis by one EVALSHA and answered with 202. On one CPU, as a process of ours is.
"""

import logging
import os
import sys
import uuid

import falcon
import redis
import waitress

from benchmarks.http.call import Call

THREADS = 16


class Jobs:
    """POST /jobs and nothing else."""

    def __init__(self, client: redis.Redis, call: Call) -> None:
        self._client = client
        self._call = call
        self._digest = client.script_load(call.script)

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Say that it is there."""
        resp.media = {}

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Store a job."""
        body, job_id = req.media, str(uuid.uuid4())
        payload = falcon.media.JSONHandler().serialize(body.get("payload"), "application/json").decode()
        self._client.evalsha(str(self._digest), len(self._call.keys), *self._call.values(job_id, payload))
        resp.status = falcon.HTTP_202
        resp.media = {"id": job_id, "status": "pending"}


def main() -> None:
    """Serve until killed."""
    port, url, file = sys.argv[1:]
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    # Its warnings of each request that waits for a thread would be most of its work.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    app = falcon.App()
    app.add_route("/jobs", Jobs(redis.Redis.from_url(url, max_connections=THREADS), Call(file)))
    waitress.serve(app, host="127.0.0.1", port=int(port), threads=THREADS, connection_limit=2000, _quiet=True)


if __name__ == "__main__":
    main()
