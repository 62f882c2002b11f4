"""The locks of the image: complete, with hashes, and in step with setup.py."""

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.unit.compose.conftest import ROOT

FOLDER = ROOT / "compose"
LOCK = FOLDER / "requirements.txt"
BUILD_LOCK = FOLDER / "requirements-build.txt"


def pins(lock: Path) -> dict[str, Requirement]:
    """Return what a lock pins, by name; every entry must have a hash."""
    found: dict[str, Requirement] = {}
    for entry in re.sub(r" \\\n\s*", " ", lock.read_text()).splitlines():
        if re.match(r"\s*(#|$)", entry):
            continue
        text, *hashes = entry.split(" --hash=")
        assert hashes, entry
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", digest) for digest in hashes), entry
        requirement = Requirement(text)
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), text
        found[canonicalize_name(requirement.name)] = requirement
    return found


def version_of(pin: Requirement) -> str:
    return str(pin.specifier).removeprefix("==")


def needed() -> dict[str, list[Requirement]]:
    """Return what the image's packages ask for, by name: those of setup.py first, then what those need in turn."""
    found: dict[str, list[Requirement]] = {"tzdata": [Requirement("tzdata")]}
    pending = [("jobworker", frozenset({"speed"}))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        name, extras = pending.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for text in requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker and not any(requirement.marker.evaluate({"extra": e}) for e in extras | {""}):
                continue
            required = canonicalize_name(requirement.name)
            found.setdefault(required, []).append(requirement)
            pending.append((required, frozenset(requirement.extras)))
    return found


@pytest.mark.parametrize("lock", [LOCK, BUILD_LOCK], ids=lambda lock: lock.name)
def test_a_lock_says_how_it_was_made_and_names_no_index(lock: Path) -> None:
    text = lock.read_text()
    assert re.search(r"^#    .*uv pip compile .* -o compose/" + re.escape(lock.name) + "$", text, re.MULTILINE)
    assert "://" not in text
    assert "--index" not in text
    assert pins(lock)


def test_everything_that_is_needed_is_locked_in_its_range() -> None:
    locked = pins(LOCK)
    for name, requirements in needed().items():
        assert name in locked, f"{name} is not locked: run the command at the top of {LOCK.name}"
        for requirement in requirements:
            assert version_of(locked[name]) in requirement.specifier, f"{requirement}: {LOCK.name} is out of step"


def test_nothing_else_is_locked() -> None:
    superfluous = {name for name, pin in pins(LOCK).items() if pin.marker is None or pin.marker.evaluate()} - set(
        needed()
    )
    assert not superfluous, f"{LOCK.name} is out of step: run the command at its top"


def test_what_builds_the_wheel_is_locked_in_its_range() -> None:
    system = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    locked = pins(BUILD_LOCK)
    wanted = [Requirement(text) for text in system["requires"]]
    assert {canonicalize_name(requirement.name) for requirement in wanted} == set(locked)
    assert all(version_of(locked[canonicalize_name(need.name)]) in need.specifier for need in wanted)
