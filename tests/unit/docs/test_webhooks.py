"""docs/webhooks.md is true: its receivers verify what we send, its numbers are the code's."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from standardwebhooks import WebhookVerificationError

from jobworker.api.schemas import JobRequest
from jobworker.handlers.builtin.signature import sign
from jobworker.handlers.builtin.webhook import BACKOFF, DELIVERY_TYPE, MAX_ATTEMPTS, TIMEOUT_SECONDS, Message, Told
from jobworker.handlers.submission import RESERVED as RESERVED_BY_HANDLERS
from jobworker.store import settings
from jobworker.store.callback import DELIVERY_QUEUE, RESERVED
from tests.support.page import Page, quoted

PAGE: Final = Page("webhooks.md")
WORDS: Final = " ".join(PAGE.text.split())
LUA: Final = (Path(settings.__file__).parent / "lua" / "includes" / "webhooks.lua").read_text()
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY: Final = PAGE.blocks("json")[1].encode()


def headers(timestamp: int, secret: str = SECRET) -> dict[str, str]:
    other = "whsec_" + "c2VjcmV0" * 4
    signature = sign([other, secret], "the-id", timestamp, BODY)
    return {"webhook-id": "the-id", "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def test_the_request_is_one_and_the_message_has_the_fields_of_the_code() -> None:
    request = msgspec.json.decode(PAGE.blocks("json")[0], type=JobRequest)
    assert isinstance(request.callback, msgspec.Struct)
    message = json.loads(BODY)
    assert list(message) == list(Message.__struct_fields__)
    assert list(message["data"]) == list(Told.__struct_fields__)


def test_the_receiver_in_python_verifies(tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    exec(PAGE.blocks("python")[0], names)
    receive = names["receive"]
    assert receive(BODY, headers(int(time.time()))) == "019cb6c0-7c1a-7d3b-8f00-000000000001 job.succeeded"
    for wrong in (headers(int(time.time()) - 400), headers(int(time.time()), "whsec_" + "b3RoZXIx" * 4)):
        with pytest.raises(WebhookVerificationError):
            receive(BODY, wrong)


@pytest.mark.parametrize(
    ("age", "secret", "said"),
    [(0, SECRET, ""), (0, "whsec_" + "b3RoZXIx" * 4, "not ours\n"), (400, SECRET, "too old\n")],
)
def test_the_receiver_in_the_shell_verifies(tmp_path: Path, age: int, secret: str, said: str) -> None:
    (script,) = (block for block in PAGE.blocks("sh") if block.startswith("#!"))
    (tmp_path / "verify.sh").write_text(script)
    (tmp_path / "body.json").write_bytes(BODY)
    sent = {name.upper().replace("-", "_"): value for name, value in headers(int(time.time()) - age, secret).items()}
    command = ["sh", "verify.sh", "body.json"]
    ran = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **sent}, capture_output=True, text=True, check=False, timeout=30
    )
    assert (ran.stderr, ran.returncode) == (said, 1 if said else 0)


def test_its_names_and_numbers_are_those_of_the_code() -> None:
    assert f"type `{DELIVERY_TYPE}`, queue `{DELIVERY_QUEUE}`, priority 1," in WORDS
    assert f"DELIVERY_TYPE, DELIVERY_QUEUE = '{DELIVERY_TYPE}', '{DELIVERY_QUEUE}'" in LUA
    assert "TOLD_RESULT_BYTES = 65536" in LUA
    assert RESERVED == RESERVED_BY_HANDLERS == "jobworker."
    assert f"none within {TIMEOUT_SECONDS:.0f} s" in WORDS
    assert MAX_ATTEMPTS == 8
    waits = [min(BACKOFF["base"] * BACKOFF["factor"] ** number, BACKOFF["max"]) for number in range(MAX_ATTEMPTS - 1)]
    assert waits == [2, 12, 72, 432, 2592, 15552, 36000]


def test_every_setting_is_told() -> None:
    told = {quoted(row[0])[0] for row in PAGE.rows("Secrets and addresses")}
    assert told == {f"webhooks.{name}" for name in settings.WebhookSettings.__struct_fields__}
