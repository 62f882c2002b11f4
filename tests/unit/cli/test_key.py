"""`jobworker key` and `audit`."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import redis
from click.testing import CliRunner, Result

from jobworker.cli.main import cli
from jobworker.store.apikeys import read_token
from jobworker.store.errors import ApiKeyNotFound, ApiKeysValid
from jobworker.store.keys import Keys
from jobworker.store.trail import Trail
from tests.support.redis_server import RedisServer
from tests.unit.cli.stub_api import StubApi

Run = Callable[..., Result]


@pytest.fixture
def client(redis_server: RedisServer) -> redis.Redis:
    return redis.Redis(port=redis_server.port)


@pytest.fixture
def run(redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["key", *arguments, "--redis", redis_server.url], standalone_mode=False)

    return run


@pytest.mark.real
def test_a_key_is_printed_once_listed_without_its_secret_and_revoked(run: Run) -> None:
    made = run("create", "deploy", "--scope", "read", "--scope", "enqueue", "--expires", "90d")
    token = made.stdout.strip()
    credential = read_token(token)
    assert credential is not None
    assert "deploy, for read, enqueue. Keep it" in made.stderr
    listed = run("list").stdout
    assert credential.id in listed
    assert "valid" in listed
    assert credential.secret not in listed
    assert run("revoke", credential.id).stdout == "deploy is revoked\n"
    [item] = json.loads(run("list", "--json").stdout)["items"]
    assert (item["state"], item["scopes"]) == ("revoked", ["read", "enqueue"])
    assert item["expires_at"] > item["created_at"]


@pytest.mark.real
def test_the_api_is_opened_when_no_key_is_valid(run: Run, client: redis.Redis) -> None:
    made = json.loads(run("create", "a", "--scope", "admin", "--json").stdout)
    assert made["token"].startswith(f"jw_{made['id']}_")
    assert isinstance(run("open").exception, ApiKeysValid)
    run("revoke", made["id"], "--json")
    assert json.loads(run("open", "--json").stdout) == {"forgotten": 1}
    assert "requests need no key" in run("open").stdout
    told = [action.what for action in Trail(client, Keys()).page(limit=10).actions]
    assert told == ["key open", "key open", f"key revoke {made['id']}", f"key create {made['id']}"]


@pytest.mark.real
def test_a_key_that_is_none_is_said(run: Run, client: redis.Redis) -> None:
    assert isinstance(run("revoke", "nobody").exception, ApiKeyNotFound)
    client.hset(Keys().api_keys, "bad", "{")
    assert "damaged" in run("list").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["a b", "--scope", "read"],
        ["a"],
        ["a", "--scope", "root"],
        ["a", "--scope", "read", "--expires", "0d"],
        ["a", "--scope", "read", "--expires", "soon"],
    ],
)
def test_what_makes_no_key_is_a_usage_error(arguments: list[str], tmp_path: Path) -> None:
    ended = CliRunner().invoke(cli, ["key", "create", *arguments], standalone_mode=False)
    assert isinstance(ended.exception, click.UsageError)


def test_commands_show_the_key_that_the_settings_name(
    stub: StubApi, invoke: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = "jw_0123456789ab_" + "0" * 48
    (tmp_path / "key").write_text(f"{token}\n")
    monkeypatch.setenv("JOBWORKER_CLIENT_KEY_FILE", str(tmp_path / "key"))
    stub.will_answer({"message": "Job processing resumed", "queue": None})
    assert invoke("resume").exception is None
    assert stub.asked[0].authorization == f"Bearer {token}"
    shown = invoke("config").output
    assert "jw_0123456789ab_***" in shown
    assert token not in shown


def test_the_trail_is_a_table(stub: StubApi, invoke: Run) -> None:
    action = {"at": "now", "who": "ann", "what": "POST /jobs/pause", "detail": "{}", "status": 200, "request_id": "r"}
    command = {**action, "what": "key open", "status": None}
    for _ in range(2):
        stub.will_answer({"items": [action, command], "next_cursor": None})
    table = invoke("audit", "--limit", "2").output
    assert "ann  POST /jobs/pause     200  {}" in table
    assert "key open" in table
    assert stub.asked[0].path == "/audit?limit=2"
    assert json.loads(invoke("audit", "--json").output)["items"] == [action, command]
