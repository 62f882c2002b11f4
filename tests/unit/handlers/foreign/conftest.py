"""A file of declarations, whose handlers are run as the testing helper runs any."""

from pathlib import Path
from typing import Any

import pytest

from jobworker.handlers import testing
from jobworker.handlers.foreign.declaring import declare_tables
from jobworker.handlers.registry import Handler, Registry


class Declarations:
    """`jobworker.toml` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "jobworker.toml"
        self.registry = Registry()

    def declare(self, text: str) -> Registry:
        self.file.write_text(text)
        self.registry = Registry()
        declare_tables(self.file, self.registry)
        return self.registry

    def handler(self, text: str) -> Handler:
        """Return the one that the text declares."""
        (handler,) = self.declare(text).all()
        return handler

    def script(self, text: str, *more: str) -> None:
        """Declare `t`, a program whose source is the text, with more lines in its table."""
        program = self.folder / "program"
        program.write_text(text)
        program.chmod(0o755)
        self.declare("\n".join(['[exec."t"]', 'command = ["./program"]', *more]))

    def run(self, payload: Any = None, **options: Any) -> Any:
        return testing.run("t", payload, registry=self.registry, **{"timeout": 30, **options})


@pytest.fixture
def declarations(tmp_path: Path) -> Declarations:
    return Declarations(tmp_path)
