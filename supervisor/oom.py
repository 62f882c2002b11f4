"""The kernel's OOM killer: what our cgroup has counted of it, and what that proves about a dead worker."""

import enum
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct

log = structlog.get_logger("jobworker.oom")

#: How old what is compared with may become: a kill long ago, of a process that was no worker, proves nothing.
LOOK_SECONDS: Final = 10.0


class Finding(enum.Enum):
    """What the counter says about a worker that died of a SIGKILL that was not ours."""

    OOM_KILL = "oom_kill"
    NONE = "none"
    #: It counted fewer kills than workers died so: nobody can say which.
    AMBIGUOUS = "ambiguous"
    UNREADABLE = "unreadable"


class Evidence(Struct, frozen=True):
    """A finding and what it stands on."""

    finding: Finding
    #: Kills that were counted, and workers that died so, since the counter was last settled.
    kills: int = 0
    deaths: int = 0

    @property
    def sentence(self) -> str:
        """What is known, in words."""
        match self.finding:
            case Finding.OOM_KILL:
                return f"the cgroup counted {'one' if self.kills == 1 else self.kills} more oom_kill"
            case Finding.NONE:
                return "not by the kernel's OOM killer: the cgroup counted no oom_kill"
            case Finding.AMBIGUOUS:
                return f"the cgroup counted {self.kills} oom_kill, but {self.deaths} workers died so: perhaps this one"
            case Finding.UNREADABLE:
                return "a person, or the kernel's OOM killer; its counters cannot be read here"


NO_EVIDENCE: Final = Evidence(Finding.UNREADABLE)


class OomWatch:
    """Owns the reading that the next one is compared with.

    Told:   a worker died of a SIGKILL that was not ours, what is the evidence (by the desk); look (now and then).
    """

    def __init__(self, counter: Path | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._counter = counter
        self._clock = clock
        self._settled = self._latest = self._read()
        self._looked_at = clock()
        #: Deaths that are not judged yet, and whether some of them cannot be told apart.
        self._deaths = 0
        self._mixed = False

    @classmethod
    def of_this_process(cls) -> "OomWatch":
        """Watch the cgroup that we and our workers are in."""
        return cls(find_counter(Path("/proc/self"), Path("/")))

    def look(self) -> None:
        """Leave behind what was counted before the last look. Not what has come since: its death may be on its way."""
        if self._deaths or self._clock() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = self._clock()
        self._settled, self._latest = self._latest, self._read()

    def shot(self) -> None:
        """Note a death by a SIGKILL that was not ours. `judge` must follow."""
        self._deaths += 1

    def judge(self) -> Evidence:
        """Return the evidence on one of the deaths that were noted."""
        found = self._read()
        if found is None or self._settled is None:
            self._forget_one(found)
            return NO_EVIDENCE
        kills, deaths = found - self._settled, self._deaths
        if kills <= 0:
            evidence = Evidence(Finding.NONE)
        elif self._mixed or kills < deaths:
            self._mixed = True
            evidence = Evidence(Finding.AMBIGUOUS, kills, deaths)
        else:
            evidence = Evidence(Finding.OOM_KILL, kills, deaths)
        self._forget_one(found)
        return evidence

    def _forget_one(self, found: int | None) -> None:
        self._deaths -= 1
        if self._deaths == 0:
            # All of them are judged: what was counted for them counts for nobody else.
            self._settled = self._latest = found
            self._mixed = False

    def _read(self) -> int | None:
        if self._counter is None:
            return None
        try:
            return read_oom_kills(self._counter)
        except (OSError, ValueError) as error:
            log.warning("the counter of OOM kills cannot be read any more", path=str(self._counter), error=str(error))
            self._counter = None
            return None


def find_counter(process: Path, root: Path) -> Path | None:
    """Return the file of a process's cgroup that counts OOM kills; None: there is none to be read.

    `process` is a folder of /proc; what it names is looked up below `root`.
    """
    try:
        cgroups = [line.split(":", 2) for line in (process / "cgroup").read_text().splitlines()]
        mounts = (process / "mountinfo").read_text().splitlines()
    except OSError:
        return None
    # With both versions mounted, memory belongs to the first if that has its controller. Version 2 names none.
    for kind, controller, name in (("cgroup", "memory", "memory.oom_control"), ("cgroup2", "", "memory.events")):
        path = next((line[2] for line in cgroups if controller in line[1].split(",")), None)
        folder = None if path is None else _folder(mounts, kind, controller, path)
        if folder is not None and _counts(root / folder.lstrip("/") / name):
            return root / folder.lstrip("/") / name
    return None


def _folder(mounts: list[str], kind: str, controller: str, path: str) -> str | None:
    """Return where a cgroup is mounted. A container may see a part of the tree only: then that is the mount's root."""
    for mount in mounts:
        # ID PARENT DEVICE ROOT MOUNT-POINT OPTIONS … - KIND SOURCE OPTIONS (proc_pid_mountinfo(5))
        fields, _, rest = mount.partition(" - ")
        found_kind, _, options = rest.split(" ", 2)
        _, _, _, mount_root, mount_point, *_ = fields.split(" ")
        if found_kind != kind or (controller and controller not in options.split(",")):
            continue
        if path == mount_root or path.startswith(f"{mount_root.rstrip('/')}/"):
            return f"{mount_point}/{path.removeprefix(mount_root.rstrip('/')).lstrip('/')}"
    return None


def _counts(path: Path) -> bool:
    try:
        return read_oom_kills(path) >= 0
    except (OSError, ValueError):
        return False


def read_oom_kills(path: Path) -> int:
    """Return how many processes of the cgroup the OOM killer has killed. Raises OSError, ValueError."""
    for line in path.read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    raise ValueError(f"{path} has no oom_kill")
