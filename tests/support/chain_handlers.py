"""Handlers that submit follow-up jobs; workers load this file by its path."""

import asyncio
import os

from msgspec import Struct

from jobworker.handlers import Job, handler


class Order(Struct):
    """Where each attempt writes down its pid, how many follow-ups it submits, and whether its first one stays."""

    path: str
    count: int
    stays: bool = False


def write_line(path: str, *words: object) -> None:
    """Add a line, in one write."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    os.close(descriptor)


@handler("chain.order", max_crashes=100)
async def order(order: Order, job: Job) -> list[str]:
    """Submit its follow-ups; the first attempt may then wait to be killed."""
    ids = [job.submit("chain.step", {"path": order.path, "step": step}) for step in range(order.count)]
    write_line(order.path, "order", job.id, os.getpid())
    if order.stays and job.attempt == 1:
        await asyncio.sleep(600)
    return ids


class Step(Struct):
    """One of them."""

    path: str
    step: int


@handler("chain.step", queue="steps", priority=8, max_crashes=100)
def step(step: Step, job: Job) -> int:
    """Write down that it ran."""
    write_line(step.path, "step", job.id)
    return step.step
