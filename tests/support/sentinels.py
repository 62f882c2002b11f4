"""A master, its replica, and three Sentinels that make the one take the other's place: all real processes."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobworker.cli.address import free_port
from jobworker.cli.embedded import find_server
from tests.support.mortal import mortal
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

SERVICE = "jobs"
#: How long a master may be silent until a Sentinel holds it for down: of a set that is to fail over, and of one that
#: must not, however loaded the machine is.
DOWN_AFTER_MS, NEVER_DOWN_MS = 500, 3_600_000
QUORUM = 2
QUICK = ("--repl-diskless-sync-delay", "0")


class Sentinel:
    """One Sentinel process; `lines` go into its configuration file."""

    def __init__(self, folder: Path, lines: Sequence[str], password: str | None) -> None:
        self.folder = folder
        self.port = free_port()
        file = folder / "sentinel.conf"
        file.write_text("\n".join([f"port {self.port}", "bind 127.0.0.1", f"dir {folder}", *lines, ""]))
        program = find_server()
        assert program is not None
        with (folder / "sentinel.log").open("wb") as log:
            self._process = subprocess.Popen(mortal([str(program), str(file), "--sentinel"]), stdout=log, stderr=log)
        self.client = redis.Redis(port=self.port, password=password, socket_timeout=5, retry=Retry(NoBackoff(), 0))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.client.close()
        self.kill()

    def sees(self, replicas: int, others: int) -> bool:
        """Whether it knows all that it needs to know for a failover."""
        state = self.state()
        return bool(state) and (state["num-slaves"], state["num-other-sentinels"]) == (replicas, others)

    def state(self) -> dict[str, Any]:
        """Return what it says of the master; nothing while it does not answer."""
        try:
            masters: Any = self.client.sentinel_masters()
        except redis.ConnectionError:
            return {}
        return dict(masters[SERVICE])


class SentinelSet:
    """Owns the processes; `kill_master` is the fault that tests need."""

    def __init__(
        self,
        folder: Path,
        *,
        count: int = 3,
        down_after_ms: int = DOWN_AFTER_MS,
        password: str | None = None,
        sentinel_password: str | None = None,
    ) -> None:
        self._folder = folder
        master = RedisServer(self._new_folder("server-0"), options=QUICK)
        replicating = ("--replicaof", "127.0.0.1", str(master.port), *QUICK)
        self.servers = [master, RedisServer(self._new_folder("server-1"), options=replicating)]
        for server in self.servers:
            server.start()
        wait_until(lambda: self._replicas() == 1)
        lines = self._monitoring(min(count, QUORUM), down_after_ms)
        if password is not None:
            self._protect(password)
            lines.append(f"sentinel auth-pass {SERVICE} {password}")
        if sentinel_password is not None:
            lines += [f"requirepass {sentinel_password}", f"sentinel sentinel-pass {sentinel_password}"]
        self.sentinels = [
            Sentinel(self._new_folder(f"sentinel-{number}"), lines, sentinel_password) for number in range(count)
        ]
        wait_until(lambda: all(one.state() for one in self.sentinels))

    def _protect(self, password: str) -> None:
        for server in self.servers:
            with redis.Redis(port=server.port) as client:
                client.config_set("masterauth", password)
                client.config_set("requirepass", password)

    def _monitoring(self, quorum: int, down_after_ms: int) -> list[str]:
        return [
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.servers[0].port} {quorum}",
            f"sentinel down-after-milliseconds {SERVICE} {down_after_ms}",
            # An election that nobody has won is repeated after twice this time.
            f"sentinel failover-timeout {SERVICE} 3000",
        ]

    def _new_folder(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(parents=True)
        return folder

    def _replicas(self) -> int:
        with redis.Redis(port=self.servers[0].port) as client:
            facts: Any = client.info("replication")
        return int(facts["connected_slaves"])

    @property
    def url(self) -> str:
        return self.url_for()

    def url_for(self, credentials: str = "", service: str = SERVICE, options: str = "") -> str:
        hosts = ",".join(sentinel.address for sentinel in self.sentinels)
        return f"sentinel://{credentials}{hosts}/{service}/0{options}"

    @property
    def port(self) -> int:
        """Where the master is, as the Sentinels say."""
        for sentinel in self.sentinels:
            if state := sentinel.state():
                return int(state["port"])
        raise AssertionError("no Sentinel answers")

    @property
    def master(self) -> RedisServer:
        return next(server for server in self.servers if server.port == self.port)

    def wait_until_ready(self) -> None:
        """Wait until each Sentinel knows the replica and the others: before that nobody fails over."""
        wait_until(lambda: all(one.sees(1, len(self.sentinels) - 1) for one in self.sentinels), 60)

    def replicate(self) -> None:
        """Wait until the replica has all that the master has."""
        with redis.Redis(port=self.port) as client:
            # With nothing written on this connection there would be nothing to wait for.
            client.set("test:replicated", 1)
            wait_until(lambda: client.wait(1, 1000) == 1)

    def kill_master(self) -> None:
        """Kill it as a crash would (kill -9), and do not start it again."""
        self.master.kill()

    def close(self) -> None:
        for sentinel in self.sentinels:
            sentinel.close()
        for server in self.servers:
            if server.process is not None:
                server.close()
