"""What a handler says about its jobs; what it leaves out comes from the request or the settings."""

from collections.abc import Mapping
from typing import Any, Self

import msgspec
from msgspec import UNSET, Struct, UnsetType

from jobworker.handlers.errors import InvalidDeclaration
from jobworker.handlers.limits import (
    BackoffFactor,
    BackoffSeconds,
    MaxAttempts,
    MaxCrashes,
    MemoryLimitMb,
    Name,
    Priority,
    TimeoutSeconds,
)


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
    memory_limit_mb: MemoryLimitMb | None = None
    soft_timeout: TimeoutSeconds | None = None

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Check the decorator's keywords."""
        given = {name: value for name, value in options.items() if value is not UNSET}
        try:
            declaration = msgspec.convert(given, cls)
        except msgspec.ValidationError as error:
            message = str(error).replace(" - at `$.", ", in its `")
            raise InvalidDeclaration(f"is declared wrongly: {message}") from None
        soft, hard = declaration.soft_timeout, declaration.timeout
        if soft is not None and isinstance(hard, float) and soft >= hard:
            raise InvalidDeclaration(
                f"is declared wrongly: its soft_timeout of {soft:g} s must be shorter than its timeout of {hard:g} s"
            )
        return declaration
