"""Importing the author's modules, in the worker, after the fork."""

import hashlib
import importlib
import logging
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import msgspec

from jobworker.handlers.builtin import declare_builtins
from jobworker.handlers.errors import HandlerError, LoadFailed
from jobworker.handlers.foreign.declaring import declare_tables
from jobworker.handlers.foreign.tables import read_tables
from jobworker.handlers.registry import DEFAULT, Registry
from jobworker.handlers.user_traceback import describe, has_user_frames, user_traceback

#: Sources younger than this may be edited again and look the same: compiled files go by the second and the size.
YOUNG_SECONDS: Final = 2.0

logger = logging.getLogger("jobworker")


def load(
    names: Sequence[str], registry: Registry = DEFAULT, *, begin: Callable[[str], object] = lambda _: None
) -> list[Path]:
    """Import dotted modules and `.py` files, read `.toml` files, so that their handlers are declared.

    Return the files that the handlers were read from.

    The built-in handlers come first. The current directory (for dotted modules) or the file's own folder goes to
    the front of `sys.path`, as `python -m` and `python FILE` do it. A module that was imported before is not run
    again: its handlers stay in the registry that collected then. `begin` hears each name before its import.
    """
    importlib.invalidate_caches()
    declare_builtins(registry)
    files: list[Path] = []
    # The order in which modules came says which are new. A set of all their names would write to the pages of them
    # all, which a worker shares with its supervisor.
    last = next(reversed(sys.modules))
    with registry.collecting():
        for name in names:
            begin(name)
            files += [file for file in _load_one(name, registry) if file not in files]
    _distrust_young([sys.modules[name] for name in takewhile(lambda name: name != last, reversed(sys.modules))])
    return files


def _distrust_young(modules: Iterable[ModuleType]) -> None:
    """Take compiled files away whose source could still change within the second by which Python tells them apart."""
    for module in modules:
        source, compiled = getattr(module, "__file__", None), getattr(module, "__cached__", None)
        # Gone, or in a folder that is not ours to write: then it was not compiled just now either.
        with suppress(OSError):
            if source and compiled and time.time() - Path(source).stat().st_mtime < YOUNG_SECONDS:
                Path(compiled).unlink()


def digest_of(files: Iterable[Path]) -> str:
    """Return a digest of what the files hold, wherever they lie.

    Only the files that `load` returned count, not what they import: a change there shows after a reload.
    """
    digest = hashlib.blake2b(digest_size=16)
    for content in sorted(_read(file) for file in files):
        digest.update(hashlib.blake2b(content).digest())
    return digest.hexdigest()


def _read(file: Path) -> bytes:
    try:
        if file.suffix == ".toml":
            # A change of the settings in the same file is none of the handlers.
            return msgspec.json.encode(read_tables(file), order="sorted")
        return file.read_bytes()
    except OSError as error:
        raise LoadFailed(f"handlers file {file} cannot be read: {error.strerror}") from error


def _load_one(name: str, registry: Registry) -> list[Path]:
    is_file = name.endswith((".py", ".toml"))
    try:
        return _read_toml(name, registry) if name.endswith(".toml") else _import(name, registry)
    except HandlerError as error:
        raise LoadFailed(str(error), getattr(error, "traceback", None)) from error
    except BaseException as error:  # a module may call sys.exit
        subject = "handlers file" if is_file else "module"
        raise LoadFailed(f"{subject} {name} does not import: {describe(error)}", _told(error)) from error


def _read_toml(name: str, registry: Registry) -> list[Path]:
    file = _existing(name)
    if not any(read_tables(file).values()):
        logger.warning("%s declares no handler", name)
    return declare_tables(file, registry)


def _import(name: str, registry: Registry) -> list[Path]:
    known = registry.all()
    module = _import_file(name) if name.endswith(".py") else _import_dotted(name)
    if registry.all() == known and all(handler.function.__module__ != module.__name__ for handler in known):
        logger.warning("%s declares no handler", name)
    return [] if module.__file__ is None else [Path(module.__file__)]


def _told(error: BaseException) -> str | None:
    """Return the traceback, unless it says no more than the sentence does."""
    return user_traceback(error) if has_user_frames(error) or isinstance(error, SyntaxError) else None


def _import_dotted(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise LoadFailed(f"{name!r} is neither a dotted module nor a .py or .toml file")
    _put_first_on_path(Path.cwd())
    return importlib.import_module(name)


def _import_file(name: str) -> ModuleType:
    file = _existing(name)
    _put_first_on_path(file.parent)
    module_name = _module_name(file)
    known = sys.modules.get(module_name)
    return known if known is not None else _run_file(module_name, file)


def _existing(name: str) -> Path:
    file = Path(name).resolve()
    if not file.is_file():
        raise LoadFailed(f"handlers file {name} " + ("is not a file" if file.exists() else "does not exist"))
    return file


def _run_file(module_name: str, file: Path) -> ModuleType:
    spec = spec_from_file_location(module_name, file, loader=_FreshSourceLoader(module_name, str(file)))
    if spec is None or spec.loader is None:
        raise LoadFailed(f"handlers file {file} cannot be imported")
    module = sys.modules[module_name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


class _FreshSourceLoader(SourceFileLoader):
    """Reads the source each time: compiled files are told apart by second and size, which an edit may leave alike."""

    def path_stats(self, path: str) -> Any:
        """Say that there is nothing to compare a compiled file with."""
        raise OSError(f"no compiled file is used for {path}")


def _module_name(file: Path) -> str:
    """Return the name under which siblings and child processes would import the file, if it is free."""
    name = file.stem.replace(".", "_")
    holder = sys.modules.get(name)
    is_taken = holder is not None and getattr(holder, "__file__", None) != str(file)
    if name in sys.stdlib_module_names or is_taken:
        return f"{name}_{hashlib.blake2b(bytes(file), digest_size=4).hexdigest()}"
    return name


def _put_first_on_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
