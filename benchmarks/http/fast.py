"""FastAPI on uvicorn with redis.asyncio, run by a Python of its own: `fast.py PORT REDIS_URL CALL_FILE`.

Does what `bare.py` does. On one CPU, as a process of ours is.
"""

import os
import sys
import uuid
from json import dumps
from typing import Any

import redis.asyncio
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from benchmarks.http.call import Call


def create_app(url: str, call: Call) -> Any:
    """Return the application."""
    app, client, known = FastAPI(), redis.asyncio.Redis.from_url(url), {}

    async def ready() -> dict[str, str]:
        known["digest"] = await client.script_load(call.script)
        return {}

    async def post(body: dict[str, Any]) -> JSONResponse:
        job_id = str(uuid.uuid4())
        values = call.values(job_id, dumps(body.get("payload")))
        await client.evalsha(known["digest"], len(call.keys), *values)
        return JSONResponse({"id": job_id, "status": "pending"}, status_code=202)

    app.get("/jobs")(ready)
    app.post("/jobs")(post)
    return app


def main() -> None:
    """Serve until killed."""
    port, url, file = sys.argv[1:]
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    uvicorn.run(create_app(url, Call(file)), host="127.0.0.1", port=int(port), log_level="error", access_log=False)


if __name__ == "__main__":
    main()
