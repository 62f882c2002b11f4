"""A real supervisor on a real server, and the store beside it."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import psutil
import redis

from jobworker.store.ids import new_job_id
from jobworker.store.job import JobRecord, NewJob
from jobworker.store.jobs import JobStore
from jobworker.store.retention import Retention
from tests.support.command import Command, clean_environment
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

HARM = Path(__file__).with_name("harm_handlers.py")
HANDLERS = """
import os, signal, sys, threading, time
from msgspec import Struct
from jobworker.handlers import Fail, Job, Retry, handler

def note(path, *words):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, (" ".join(map(str, words)) + "\\n").encode())
    os.close(fd)

class Where(Struct):
    path: str

@handler("mark")
def mark(where: Where, job: Job): note(where.path, os.getpid(), job.attempt)

@handler("first.stays")
def first_stays(where: Where, job: Job):
    note(where.path, os.getpid(), job.attempt)
    if job.attempt == 1: time.sleep(600)

@handler("stays", max_crashes=1)
def stays(where: Where):
    note(where.path, os.getpid())
    time.sleep(600)

@handler("until.file")
def until_file(where: Where, job: Job):
    note(where.path, os.getpid(), job.attempt)
    while not os.path.exists(where.path + ".go"): time.sleep(0.005)
    return "went"

@handler("says.attempt")
def says_attempt(where: Where, job: Job):
    note(where.path, os.getpid(), job.attempt)
    while not os.path.exists(f"{where.path}.{job.attempt}"): time.sleep(0.005)
    note(where.path, "ends")
    return job.attempt

@handler("first.escapes")
def first_escapes(where: Where, job: Job):
    if job.attempt > 1:
        pid = int(open(where.path).readline().split()[0])
        return os.path.exists(f"/proc/{pid}") and open(f"/proc/{pid}/stat").read().split(")")[1].split()[0] != "Z"
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            note(where.path, os.getpid())
            time.sleep(600)
        os._exit(0)
    time.sleep(600)

@handler
def raises(): raise ValueError("no such luck")

@handler
def fails(): raise Fail("the order is gone")

@handler
def retries(job: Job):
    if job.attempt == 1: raise Retry(after=0.05, reason="not yet")
    return job.attempt

@handler
def leaves(): sys.exit(7)

@handler
def bad_result(): return object()

@handler
async def coroutine(n: int): return n + 1

@handler
def changes():
    os.chdir("/"); os.umask(0); signal.setitimer(signal.ITIMER_REAL, 600)
    signal.signal(signal.SIGTERM, signal.SIG_DFL); signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})

@handler
def surroundings():
    mask = os.umask(0); os.umask(mask)
    return {"folder": os.getcwd(), "umask": mask, "timer": signal.getitimer(signal.ITIMER_REAL)[0],
            "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())), "stdin": os.readlink("/proc/self/fd/0"),
            "url": os.environ.get("JOBWORKER_REDIS_URL"), "default": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL}

@handler
def threads(): threading.Thread(target=time.sleep, args=(600,), name="left").start(); return os.getpid()

@handler
def forks():
    if os.fork() == 0: return "child"
    return "parent"

@handler
def garbage():
    for fd in range(3, 64):
        try: os.write(fd, b"fnonsense")
        except OSError: pass
    time.sleep(600)

@handler
def pid(): return os.getpid()

@handler
def big(text: str): return text

@handler(timeout=None)
def unbounded(job: Job): return job.seconds_left
"""


class Workplace:
    """A server, a folder with handlers, and supervisors started in it."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        (folder / "work.py").write_text(HANDLERS)
        self.store = JobStore.connect(server.url, timeout_seconds=2, prefix="jobworker", retention=Retention())
        self.client = redis.Redis(port=server.port)
        self.commands: list[Command] = []

    def start(
        self, *options: str, name: str = "one", workers: int = 2, prefix: Sequence[str] = (), **environ: str
    ) -> Command:
        """Start a supervisor; `wait_for("ready")` waits until it is registered. An option that is repeated wins."""
        folder = self.folder / f"{name}-{len(self.commands)}"
        folder.mkdir()
        handlers = (str(self.folder / "work.py"), str(HARM), "jobworker.handlers.builtin.trial")
        arguments = (
            *("supervisor", "--redis", self.server.url, "--name", name, "--workers", str(workers)),
            *(f"--handlers={module}" for module in handlers),
            *("--state-dir", str(self.folder / "state"), *options),
        )
        program = [*prefix, sys.executable, "-P", "-m", "jobworker.cli"]
        command = Command([*program, *arguments], folder, clean_environment(**environ))
        self.commands.append(command)
        return command

    def submit(self, kind: str, payload: Any = None, **options: Any) -> str:
        job_id = new_job_id()
        self.store.enqueue([NewJob(job_id, kind, payload=msgspec.json.encode(payload), **options)])
        return job_id

    def end(self, job_id: str, timeout_seconds: float = 20) -> JobRecord:
        """Return the job when it has ended."""
        wait_until(lambda: self.store.get(job_id).ended, timeout_seconds)
        return self.store.get(job_id)

    def run(self, kind: str, payload: Any = None, **options: Any) -> JobRecord:
        return self.end(self.submit(kind, payload, **options))

    def lines(self, path: Path, count: int = 1) -> list[list[str]]:
        """Return the words of the lines when there are so many."""
        wait_until(lambda: path.exists() and path.read_text().count("\n") >= count, 60)
        return [line.split() for line in path.read_text().splitlines()]

    def close(self) -> None:
        for command in self.commands:
            command.__exit__()
        self.store.close()
        self.client.close()


def has_zombies(supervisor: psutil.Process) -> bool:
    """Whether a child of the supervisor is dead and not reaped."""
    for child in supervisor.children():
        with suppress(psutil.NoSuchProcess):
            if child.status() == psutil.STATUS_ZOMBIE:
                return True
    return False
