"""Packages, as whoever uploads them sends them, and what the tests of them look at."""

import json
import sqlite3
from contextlib import closing

from .clients import Answer, Server
from .scene import Part, encoded, left

HEATER = {"heater/__init__.py": b"from .core import heat\n", "heater/core.py": b"heat = 1\n"}


def form(files: dict[str, bytes], name: str = "heater", version: str = "1.0.300", **about: object) -> list[Part]:
    """A good form with these files, by path."""
    told = {"name": name, "version": version} | about
    return [Part("package", json.dumps(told).encode()), *(Part("file", data, path) for path, data in files.items())]


def upload(server: Server, files: dict[str, bytes], name: str = "heater", version: str = "1.0.300") -> Answer:
    return post(server, form(files, name, version))


def post(server: Server, parts: list[Part], scopes: list[str] | None = None) -> Answer:
    headers, body = encoded(parts)
    return post_raw(server, headers, body, scopes)


def post_raw(server: Server, headers: dict[str, str], body: bytes | None, scopes: list[str] | None = None) -> Answer:
    bearer = {"Authorization": f"Bearer {server.token(scopes)}"}
    return server.request("POST", "/api/v1/packages", body, headers | bearer)


def everyware(
    server: Server, method: str, path: str, body: object = None, scopes: list[str] | None = None, scope: str = "_"
) -> Answer:
    """A request for what follows `/v1/SCOPE/devices/`."""
    return server.say(method, f"/v1/{scope}/devices/{path}", body, server.token(scopes))


def download(server: Server, device: str = "board-1", **body: object) -> Answer:
    """The device is told to install `heater`, or what is given instead of parts of that; None leaves a part out."""
    good = {"uri": "http://packages.example/heater.py", "name": "heater", "version": "1.0.300"}
    told = {name: value for name, value in (good | body).items() if value is not None}
    return everyware(server, "POST", f"{device}/packages/_download", told)


def stored(server: Server) -> set[str]:
    """The digests of all artifacts, transfers of releases' images aside; no upload is half there."""
    assert list((server.data / "incoming").iterdir()) == []
    return set(left(server.data))


def operations(server: Server) -> int:
    """How many there are, of all devices."""
    with closing(sqlite3.connect(f"file:{server.data / 'twinslot.db'}?mode=ro", uri=True)) as db:
        return db.execute("SELECT COUNT(*) FROM operations").fetchone()[0]


def assert_refused(answer: Answer, status: int, kind: str, words: str) -> None:
    """As Everyware refuses."""
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json.keys() == {"type", "message"}
    assert (answer.status, answer.json["type"], words in answer.json["message"]) == (status, kind, True), answer.body
