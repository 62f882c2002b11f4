"""A client that posts jobs and writes down what it was answered: `python -m jobworker.cli.chaos.producer ORDERS`."""

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import click
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from jobworker.cli.chaos.handlers import TYPE, Work
from jobworker.cli.errors import NotReachable, Refused
from jobworker.cli.http import ApiClient
from jobworker.store.settings import ClientSettings

#: How long jobs last, and how many of a hundred do: most are short, some are met by many faults, and a few outlast a
#: lease, so that a first attempt that was cut off comes to its end while the second one runs.
SECONDS: Final = ((0.005, 0.05), (0.2, 1.0), (1.0, 3.5))
WEIGHTS: Final = (94, 5, 1)
#: One job in so many fails at first.
FAILS_EVERY: Final = 25
#: And one in so many waits for its time.
DELAYED_EVERY: Final = 10
DELAY_SECONDS: Final = 0.5
#: One request in so many has no Idempotency-Key, so that it cannot be sent again.
KEYLESS_EVERY: Final = 4
#: How long a client that got no answer waits before it goes on, and how long it may go on asking when the time is over.
PAUSE_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 20.0
#: What an outage has kept back is not made up for beyond this.
MOST_BEHIND_SECONDS: Final = 1.0


class Orders(Struct, frozen=True):
    """What a producer is to do: requests `first`, `first + step`, … at a rate, for so long."""

    url: str
    ledger: str
    posts: str
    first: int
    step: int
    per_second: float
    seconds: float


class Post(Struct, frozen=True):
    """One request and its answer. `maybe`: it got none, so nobody knows whether its job is there."""

    number: int
    answer: Literal["accepted", "maybe", "refused"]
    job_id: str = ""
    fails: bool = False
    #: How often it was sent again because there was no answer.
    repeats: int = 0


def work_of(number: int, ledger: str) -> Work:
    """Return what job this number is: always the same.

    >>> work_of(7, "l") == work_of(7, "l")
    True
    """
    dice = random.Random(number)  # noqa: S311 - no secret
    [between] = dice.choices(SECONDS, WEIGHTS)
    return Work(ledger, number, round(dice.uniform(*between), 4), number % FAILS_EVERY == 0)


def request_of(work: Work) -> dict[str, Any]:
    """Return the body of a request. All have one priority: on a busy machine low ones would wait to the end."""
    delay_seconds = DELAY_SECONDS if work.number % DELAYED_EVERY == 1 else 0.0
    return {"type": TYPE, "payload": work, "delay": delay_seconds}


def produce(orders: Orders) -> None:
    """Post until the time is over. What got no answer is sent again; without a key it would be another job."""
    settings = ClientSettings(url=orders.url, timeout=5.0)
    give_up_at = time.monotonic() + orders.seconds + PATIENCE_SECONDS
    with ApiClient(settings) as client, Path(orders.posts).open("ab", buffering=0) as posts:
        for number in _paced(orders):
            post = _post(client, work_of(number, orders.ledger), give_up_at)
            posts.write(msgspec.json.encode(post) + b"\n")


def read_posts(path: Path) -> list[Post]:
    """Return what a producer has written down."""
    return msgspec.json.decode(b"[" + b",".join(path.read_bytes().splitlines()) + b"]", type=list[Post])


def _post(client: ApiClient, work: Work, give_up_at: float) -> Post:
    key = f"request-{work.number}" if work.number % KEYLESS_EVERY else None
    post = Post(work.number, "maybe", fails=work.fails)
    while True:
        try:
            answer = client.post("/jobs", request_of(work), idempotency_key=key)
        except NotReachable:
            time.sleep(PAUSE_SECONDS)
            if key is None or time.monotonic() > give_up_at:
                return post
            post = replace(post, repeats=post.repeats + 1)
        except Refused as error:
            click.echo(str(error), err=True)
            return replace(post, answer="refused")
        else:
            return replace(post, answer="accepted", job_id=answer["id"])


def _paced(orders: Orders) -> Iterator[int]:
    began = due = time.monotonic()
    number = orders.first
    while time.monotonic() - began < orders.seconds:
        yield number
        number += orders.step
        due = max(due + 1 / orders.per_second, time.monotonic() - MOST_BEHIND_SECONDS)
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    produce(msgspec.json.decode(sys.argv[1], type=Orders))
