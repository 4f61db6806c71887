"""Schemathesis sends what the OpenAPI document allows, and what it forbids, and compares the answers with the document.

It works on an account that has one of each thing, and is given examples: a good body for each route, and the ids of
what there is. `TWINSLOT_FUZZ` is the number of further examples for each operation; without it they are few, and the
same each time. Not checked is that every body of the right form is accepted: a schema can't say all that a name or a
version has to be.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from twinslot_host.description.openapi import path_of

from .clients import Server
from .scene import GOOD, ROUTES, Account, first_account, furnish

EXAMPLES = int(os.environ.get("TWINSLOT_FUZZ", "0"))
FEW = 8
LIMIT_S = 6 * 3600 if EXAMPLES else 900
UNCHECKED = "positive_data_acceptance"

FILE = "/otao/api/v1/applications/{appName}/software/{softwareVersion}/files/{fileName}"
# Where no example comes through: there is no such link, user or client; the file went with its version before; the
# application still has releases.
NEVER_DONE = {
    ("POST", "/api/v1/setup"),
    ("POST", "/api/v1/sessions"),
    ("POST", "/oauth/token"),
    ("DELETE", FILE),
    ("GET", f"{FILE}/links"),
    ("DELETE", "/api/v1/applications/{app}"),
}


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    server = Server(tmp_path / "data")
    yield furnish(first_account(server))
    if server.process.poll() is None:
        server.stop(signal.SIGKILL)


def document(account: Account) -> dict:
    """The server's own, with an example for each part of a path and each JSON body."""
    told = account.server.request("GET", "/api/v1/openapi.json").json
    for (method, path), good in GOOD.items():
        operation = told["paths"].get(path, {}).get(method.lower())
        if operation and "application/json" in operation["requestBody"]["content"]:
            operation["requestBody"]["content"]["application/json"]["example"] = good(account)
    for path, operations in told["paths"].items():
        words = {name: word for word, name in re.findall(r"/([^/{}]+)/\{(\w+)\}", path)}
        for parameter in [each for its in operations.values() for each in its.get("parameters", [])]:
            if parameter["in"] == "path":
                parameter["example"] = account.ids[words[parameter["name"]]]
    return told


def settings(account: Account) -> str:
    """Half of the paths name what there is."""
    lines = ["[auth.openapi.bearer]", f'bearer = "{account.bearer}"']
    for word, value in account.ids.items():
        names = {name for route in ROUTES for name in re.findall(rf"/{word}/\{{(\w+)", route.path)}
        lines += [f"[dictionaries.{word}]", f'values = ["{value}"]']
        lines += ["[[operations]]", f'include-path-regex = "/{word}/\\\\{{"', "[operations.parameters]"]
        lines += [f'"path.{name}" = {{ dictionary = "{word}", probability = 0.5 }}' for name in sorted(names)]
    return "\n".join(lines) + "\n"


def done_routes(server: Server) -> set[tuple[str, str]]:
    """The routes that had a good answer, by the server's own count."""
    counted = r'request_seconds_count\{method="(\w+)",route="([^"]+)",status="2\d\d"\}'
    return set(re.findall(counted, server.request("GET", "/metrics").body.decode()))


def test_server_answers_as_the_document_says(account, tmp_path):
    (tmp_path / "openapi.json").write_text(json.dumps(document(account)))
    (tmp_path / "schemathesis.toml").write_text(settings(account))
    how = ["-n", str(EXAMPLES)] if EXAMPLES else ["-n", str(FEW), "--generation-deterministic"]
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", "--no-color"]
    where = ["--url", f"http://127.0.0.1:{account.server.port}", "openapi.json"]
    checks = ["--checks", "all", "--exclude-checks", UNCHECKED, "--max-failures", "40", "--warnings", "off"]
    done = subprocess.run(
        [*command, *how, *checks, *where], cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    reached = done_routes(account.server)
    log = account.server.stop()
    if done.returncode != 0 or log:
        pytest.fail(f"{done.stdout}\n{done.stderr}\nthe server's log:\n{log[-5000:]}", pytrace=False)
    wanted = {(route.method, path_of(route)) for route in ROUTES if route.media != "multipart/form-data"}
    assert wanted - reached - NEVER_DONE == set()
