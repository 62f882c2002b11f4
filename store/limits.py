"""What is allowed, as annotated types: the one table of ranges, for requests, declarations and settings."""

from typing import Annotated, Final, Literal

from msgspec import Meta

MIB: Final = 1024 * 1024

MAX_PAYLOAD_BYTES: Final = MIB
MAX_RESULT_BYTES: Final = MIB
MAX_JSON_DEPTH: Final = 64
#: How many jobs, and how many bytes of them, one script call enqueues, settles or claims.
MAX_BATCH_JOBS: Final = 200
MAX_BATCH_BYTES: Final = 4 * MIB
#: How many queues may exist: each exchange looks at every queue it serves.
MAX_QUEUES: Final = 1000
#: How many types may have jobs: to forget one whose record has gone every type is looked at.
MAX_TYPES: Final = 1000
#: How many schedules may exist.
MAX_SCHEDULES: Final = 1000
#: How many tags jobs may have, all together: to forget one whose record has gone every tag is looked at.
MAX_TAGS: Final = 1000
#: How many tags one job may have.
MAX_JOB_TAGS: Final = 10
#: Jobs that one supervisor can be asked to run at once.
MAX_WORKERS: Final = 1000
#: How many jobs one sweep deletes.
MAX_SWEPT_JOBS: Final = 200
#: How many jobs one page of a list holds, and at how many it may look to find them.
MAX_PAGE_JOBS: Final = 200
MAX_PAGE_LOOKS: Final = 1000
#: How much of what a handler says about its progress is kept.
MAX_PROGRESS_CHARACTERS: Final = 500
#: How far into the output of a job a reader may begin: what a number of JSON holds exactly.
MAX_LOG_BYTES: Final = 2**53 - 1
MAX_DELAY_SECONDS: Final = 366 * 86_400

#: Names of types, queues and supervisors.
NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z"
Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
#: No blank, so that a record can hold several; no colon, which parts the names of keys.
TAG_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._=-]{0,63}\Z"
Tag = Annotated[str, Meta(pattern=TAG_PATTERN, description="for example customer=42")]
Tags = Annotated[tuple[Tag, ...], Meta(max_length=MAX_JOB_TAGS)]
#: What a client shows of an API key: its id and its secret.
API_TOKEN: Final = r"jw_([0-9a-f]{12})_([0-9a-f]{48})"  # noqa: S105 - the shape of one
UniqueKeyText = Annotated[str, Meta(min_length=1, max_length=255)]
Priority = Annotated[int, Meta(ge=1, le=10, description="10 is the highest")]
TimeoutSeconds = Annotated[float, Meta(ge=0.1, le=86_400)]
DelaySeconds = Annotated[float, Meta(ge=0, le=MAX_DELAY_SECONDS)]
MaxAttempts = Annotated[int, Meta(ge=1, le=100)]
MaxCrashes = Annotated[int, Meta(ge=1, le=1000)]
#: A worker that has imported nothing else uses some 45.
MemoryLimitMb = Annotated[int, Meta(ge=64, le=1_048_576)]
#: What becomes of the processes that a job leaves running.
Leftovers = Literal["end", "keep"]
BackoffSeconds = Annotated[float, Meta(ge=0, le=86_400)]
BackoffFactor = Annotated[float, Meta(ge=1, le=100)]
