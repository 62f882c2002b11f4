"""What a handler says about its jobs; what it leaves out comes from the request or the settings."""

import re
from collections.abc import Mapping
from typing import Any, Self, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from jobworker.handlers.errors import InvalidDeclaration
from jobworker.handlers.limits import (
    NAME_PATTERN,
    BackoffFactor,
    BackoffSeconds,
    Leftovers,
    MaxAttempts,
    MaxCrashes,
    MemoryLimitMb,
    Name,
    Priority,
    TimeoutSeconds,
)

Options = TypeVar("Options", bound=Struct)


class BackoffDeclaration(Struct, frozen=True, forbid_unknown_fields=True):
    """Exponential backoff between attempts, in seconds."""

    base: BackoffSeconds = 1.0
    factor: BackoffFactor = 2.0
    max: BackoffSeconds = 3600.0
    jitter: bool = True


class Declaration(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The options of `@handler`. None leaves a value to the settings; only for `timeout` it means no deadline."""

    queue: Name | None = None
    priority: Priority | None = None
    timeout: TimeoutSeconds | UnsetType | None = UNSET
    max_attempts: MaxAttempts | None = None
    max_crashes: MaxCrashes | None = None
    backoff: BackoffDeclaration | None = None
    leftovers: Leftovers | None = None
    memory_limit_mb: MemoryLimitMb | None = None
    soft_timeout: TimeoutSeconds | None = None
    exclusive: bool | None = None

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Check the decorator's keywords."""
        declaration = read_options({name: value for name, value in options.items() if value is not UNSET}, cls)
        soft, hard = declaration.soft_timeout, declaration.timeout
        if soft is not None and isinstance(hard, float) and soft >= hard:
            raise InvalidDeclaration(
                f"is declared wrongly: its soft_timeout of {soft:g} s must be shorter than its timeout of {hard:g} s"
            )
        return declaration


def read_options(given: Mapping[str, Any], kind: type[Options]) -> Options:
    """Check what a declaration says. Raises InvalidDeclaration."""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        message = str(error).replace(" - at `$.", ", in its `")
        raise InvalidDeclaration(f"is declared wrongly: {message}") from None


def require_type(name: object) -> None:
    """Raise InvalidDeclaration unless a type may have this name."""
    if not isinstance(name, str) or not re.match(NAME_PATTERN, name):
        raise InvalidDeclaration(
            "has no valid name: 1 to 128 letters, digits, `.`, `_` or `-`, a letter or digit first"
        )
