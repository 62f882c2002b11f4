"""What a declaration, a payload and a result may be. The store's table says the same, and a test compares the two."""

from typing import Annotated, Final, Literal

from msgspec import Meta

MAX_RESULT_BYTES: Final = 1024 * 1024
MAX_JSON_DEPTH: Final = 64
#: Every API process compiles every schema, and puts it into its OpenAPI document.
MAX_SCHEMA_BYTES: Final = 64 * 1024
MAX_DELAY_SECONDS: Final = 366 * 86_400
MAX_RETRY_SECONDS: Final = 366 * 86_400
#: How many tags one job may have.
MAX_JOB_TAGS: Final = 10

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z"
Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
TAG_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._=-]{0,63}\Z"
Tag = Annotated[str, Meta(pattern=TAG_PATTERN)]
Tags = Annotated[tuple[Tag, ...], Meta(max_length=MAX_JOB_TAGS)]
Priority = Annotated[int, Meta(ge=1, le=10)]
DelaySeconds = Annotated[float, Meta(ge=0, le=MAX_DELAY_SECONDS)]
TimeoutSeconds = Annotated[float, Meta(ge=0.1, le=86_400)]
MaxAttempts = Annotated[int, Meta(ge=1, le=100)]
MaxCrashes = Annotated[int, Meta(ge=1, le=1000)]
#: A worker that has imported nothing else uses some 45.
MemoryLimitMb = Annotated[int, Meta(ge=64, le=1_048_576)]
#: What becomes of the processes that a job leaves running.
Leftovers = Literal["end", "keep"]
BackoffSeconds = Annotated[float, Meta(ge=0, le=86_400)]
BackoffFactor = Annotated[float, Meta(ge=1, le=100)]
