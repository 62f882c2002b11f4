"""What can become of a Redis, each to be begun and ended by a test; see tests/integration/test_redis_troubles.py."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Event, Thread

from tests.support.stage import PASSWORD, USER, Stage
from tests.support.waiting import wait_until

#: Between two blows of a storm.
STORM_SECONDS = 0.02
#: So many keys, a pause at each when they are loaded: far longer than any test waits. One that loads looks at its
#: connections once in so many bytes, the least it lets be set: after each key, lest callers give up before it answers.
FILLERS = 6_000
LOAD_DELAY_US = 10_000
LOOK_BYTES = 1_024


@contextmanager
def killed(stage: Stage) -> Generator[None]:
    """It dies, and is started again with its append-only file."""
    stage.server.kill()
    try:
        yield
    finally:
        stage.server.start()


@contextmanager
def stopped(stage: Stage) -> Generator[None]:
    """It stands still: the kernel accepts connections, nobody answers."""
    stage.server.freeze()
    try:
        yield
    finally:
        stage.server.resume()


@contextmanager
def slow(stage: Stage) -> Generator[None]:
    """Each answer takes a fifth of a second more."""
    stage.proxy.slow_down(0.2)
    try:
        yield
    finally:
        stage.proxy.slow_down(0.0)


@contextmanager
def black_hole(stage: Stage) -> Generator[None]:
    """What is sent vanishes, and arrives when it is over: late copies of calls that were given up."""
    stage.proxy.black_hole()
    try:
        yield
    finally:
        stage.proxy.pass_on()


@contextmanager
def full(stage: Stage) -> Generator[None]:
    """It has no memory left."""
    with _configured(stage, maxmemory="1"):
        yield


@contextmanager
def read_only(stage: Stage) -> Generator[None]:
    """A failover made it a replica."""
    stage.admin.replicaof("127.0.0.1", "1")
    try:
        yield
    finally:
        stage.admin.replicaof("NO", "ONE")


@contextmanager
def unsaved(stage: Stage) -> Generator[None]:
    """It cannot save its data, as on a full disk."""
    in_the_way = stage.server.directory / "dump.rdb"
    in_the_way.mkdir()
    try:
        with _configured(stage, save="3600 1"):
            stage.admin.bgsave()
            wait_until(lambda: stage.admin.info("persistence")["rdb_last_bgsave_status"] == "err")
            yield
    finally:
        in_the_way.rmdir()


@contextmanager
def unreplicated(stage: Stage) -> Generator[None]:
    """It wants a replica to write to, and has none."""
    with _configured(stage, **{"min-replicas-to-write": "1"}):
        yield


@contextmanager
def loading(stage: Stage) -> Generator[None]:
    """It is started again and loads its data for long."""
    with stage.admin.pipeline(transaction=False) as pipeline:
        for number in range(FILLERS):
            pipeline.set(f"filler:{number}", "x" * LOOK_BYTES)
        pipeline.execute()
    # Only what is loaded from a snapshot is loaded with pauses in which it answers that it loads.
    with _configured(stage, rdbcompression="no"):
        stage.admin.bgrewriteaof()
        wait_until(lambda: _rewritten(stage))
    stage.server.kill()
    delays = ("--key-load-delay", str(LOAD_DELAY_US), "--loading-process-events-interval-bytes", str(LOOK_BYTES))
    stage.server.launch(*delays)
    try:
        yield
    finally:
        stage.configure("key-load-delay", "0")
        stage.server.wait_until_ready()
        stage.admin.delete(*(f"filler:{number}" for number in range(FILLERS)))


@contextmanager
def busy(stage: Stage) -> Generator[None]:
    """Somebody's script runs for ever."""
    stage.configure("busy-reply-threshold", "50")
    looping = Thread(target=stage.loop_for_ever)
    looping.start()
    try:
        yield
    finally:
        stage.kill_script()
        looping.join()


@contextmanager
def forgetful(stage: Stage) -> Generator[None]:
    """It forgets all scripts, again and again."""
    with _storm(lambda: stage.admin.script_flush()):
        yield


@contextmanager
def cutting(stage: Stage) -> Generator[None]:
    """It ends all our connections, again and again."""
    with _storm(stage.kill_clients):
        yield


@contextmanager
def crowded(stage: Stage) -> Generator[None]:
    """It has no room for another connection."""
    with _configured(stage, maxclients="1"):
        stage.kill_clients()
        yield


@contextmanager
def other_password(stage: Stage) -> Generator[None]:
    """Our password is no longer right."""
    stage.admin.acl_setuser(USER, enabled=True, reset_passwords=True, passwords=["+another"])
    stage.kill_clients()
    try:
        yield
    finally:
        stage.admin.acl_setuser(USER, enabled=True, reset_passwords=True, passwords=[f"+{PASSWORD}"])


@contextmanager
def no_permission(stage: Stage) -> Generator[None]:
    """Our user may run no scripts any more."""
    stage.admin.execute_command("ACL", "SETUSER", USER, "-evalsha", "-eval")
    try:
        yield
    finally:
        stage.admin.execute_command("ACL", "SETUSER", USER, "+evalsha", "+eval")


@contextmanager
def _configured(stage: Stage, **settings: str) -> Generator[None]:
    before = {name: stage.admin.config_get(name)[name] for name in settings}
    for name, value in settings.items():
        stage.admin.config_set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            stage.admin.config_set(name, value)


@contextmanager
def _storm(blow: Callable[[], object]) -> Generator[None]:
    over = Event()

    def rage() -> None:
        while not over.wait(STORM_SECONDS):
            blow()

    raging = Thread(target=rage)
    raging.start()
    try:
        yield
    finally:
        over.set()
        raging.join()


def _rewritten(stage: Stage) -> bool:
    found = stage.admin.info("persistence")
    return not (found["aof_rewrite_in_progress"] or found["aof_rewrite_scheduled"])
