"""GET /docs and its files."""

import re
import runpy
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import jobworker.api.pages
from jobworker.api.pages import POLICY
from jobworker.api.resources.docs import FILES
from tests.unit.api.conftest import Api

ROOT = Path(__file__).parents[4]
STATIC = Path(jobworker.api.pages.__file__).with_name("static")
VENDORED = STATIC / "swagger-ui"
HTML = (STATIC / "docs.html").read_text()

CONTENT_TYPES = {
    "/docs": "text/html; charset=utf-8",
    "/docs/docs.js": "text/javascript; charset=utf-8",
    "/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "/docs/swagger-ui.css": "text/css; charset=utf-8",
    "/docs/favicon-32x32.png": "image/png",
}


def test_what_is_vendored_is_what_was_published() -> None:
    listed = [line.split() for line in (VENDORED / "SHA256SUMS").read_text().splitlines()]
    found = {file.name: sha256(file.read_bytes()).hexdigest() for file in VENDORED.iterdir()}
    del found["SHA256SUMS"]
    assert {name: digest for digest, name in listed} == found
    assert {"LICENSE", "NOTICE"} <= found.keys()


def test_the_types_of_all_files_are_tried() -> None:
    assert set(CONTENT_TYPES) == {"/docs", *(f"/docs/{name}" for name in FILES)}


@pytest.mark.parametrize(("path", "content_type"), CONTENT_TYPES.items())
def test_each_file_comes_under_the_policy_and_is_kept(api: Api, path: str, content_type: str) -> None:
    reply = api.get(path)
    assert reply.status == 200
    assert reply.headers["Content-Type"] == content_type
    assert reply.headers["Content-Security-Policy"] == POLICY
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.body == (STATIC / FILES.get(path.removeprefix("/docs/"), "docs.html")).read_bytes()
    again = api.get(path, headers={"If-None-Match": reply.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    head = api.request("HEAD", path)
    assert (head.status, head.headers["Content-Type"], head.body) == (200, content_type, b"")


def test_the_page_loads_only_what_the_api_has(api: Api) -> None:
    loaded = re.findall(r'(?:src|href)="([^"]*)"', HTML)
    assert "/docs/docs.js" in loaded
    assert [path for path in loaded if api.get(path).status != 200] == []


def test_nothing_is_within_the_page_that_its_policy_forbids() -> None:
    assert not re.search(r"<style|<script>|\sstyle=|\son\w+=|javascript:", HTML)


def test_without_redis_the_page_is_there(api: Api) -> None:
    api.lose_redis("away")
    assert api.get("/docs").status == 200
    assert api.get("/docs/docs.js").status == 200


@pytest.mark.parametrize(
    "name",
    ["docs.html", "SHA256SUMS", "..%2fpages.py", "..%2Fstatic%2Fdocs.html", "%2e%2e", "swagger-ui%2FLICENSE", "%00"],
)
def test_no_other_name_reaches_the_disk(api: Api, name: str) -> None:
    reply = api.get(f"/docs/{name}")
    assert reply.status in (400, 404)
    assert reply.headers["Content-Type"] == "application/problem+json"


def test_other_pages_cannot_load_it(api: Api) -> None:
    assert api.get("/docs", host="evil.example").status == 403
    assert api.get("/docs/docs.js", headers={"Sec-Fetch-Site": "cross-site"}).status == 403


def test_it_takes_no_parameters(api: Api) -> None:
    assert api.get("/docs?url=http://evil.example/openapi.json").status == 422


def find_none(include: Sequence[str]) -> list[str]:
    return []


def test_what_is_installed_has_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, Any] = {}
    setuptools = ModuleType("setuptools")
    monkeypatch.setattr(setuptools, "setup", said.update, raising=False)
    monkeypatch.setattr(setuptools, "find_packages", find_none, raising=False)
    monkeypatch.setitem(sys.modules, "setuptools", setuptools)
    runpy.run_path(str(ROOT / "setup.py"))
    api = STATIC.parent
    packed = {file for pattern in said["package_data"]["jobworker.api"] for file in api.glob(pattern)}
    assert {file for file in STATIC.rglob("*") if file.is_file()} <= packed
