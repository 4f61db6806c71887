"""IoTaaP's two calls, as its clients make them, and what the tests of them look at."""

import base64
import secrets
import sqlite3
from contextlib import closing
from urllib.parse import urlencode

from twinslot_host.domain.manifest import decode

from .clients import Answer, Board, Server

PATH = "/v1/ota/group"

Part = tuple[bytes, bytes]


def text(name: str, content: bytes) -> Part:
    """A field's head and content."""
    return b'form-data; name="%s"' % name.encode(), content


def file(content: bytes, filename: str = "firmware.bin", name: str = "firmware") -> Part:
    return b'form-data; name="%s"; filename="%s"' % (name.encode(), filename.encode()), content


def fields(group: dict, version: str, image: bytes) -> dict[str, Part]:
    """A good form, by field."""
    return {
        "firmware": file(image),
        "group": text("group", group["id"].encode()),
        "token": text("token", group["token"].encode()),
        "version": text("version", version.encode()),
    }


def upload(server: Server, group: dict, version: str, image: bytes) -> Answer:
    return post(server, fields(group, version, image).values())


def post(server: Server, parts, scopes=None) -> Answer:
    boundary = secrets.token_hex(16).encode()
    body = b"".join(b"--%s\r\nContent-Disposition: %s\r\n\r\n%s\r\n" % (boundary, *part) for part in parts)
    return server.request("POST", PATH, body + b"--%s--\r\n" % boundary, headers(server, boundary, scopes))


def headers(server: Server, boundary: bytes, scopes=None) -> dict[str, str]:
    content_type = f"multipart/form-data; boundary={boundary.decode()}"
    return {"Authorization": f"Bearer {server.token(scopes)}", "Content-Type": content_type}


def get(server: Server, scopes=None, **query) -> Answer:
    path = f"{PATH}?{urlencode(query)}" if query else PATH
    return server.request("GET", path, headers={"Authorization": f"Bearer {server.token(scopes)}"})


def otas(server: Server, **query) -> list[dict]:
    answer = get(server, **query)
    assert answer.status == 200, answer.body
    return answer.json["otas"]


def change(server: Server, sql: str, *values: object) -> None:
    """What no route can do is done to the database of the running server."""
    with closing(sqlite3.connect(server.data / "twinslot.db", isolation_level=None)) as db:
        db.execute(sql, values)


def give_away(server: Server, group: dict) -> None:
    """The group is another account's, its application and its updates with it."""
    other = "0" * 24
    change(server, "INSERT INTO accounts (id, created_at_ms) VALUES (?, 0)", other)
    change(server, "UPDATE applications SET account_id = ? WHERE name = ?", other, group["app"])
    for table, column in (("groups", "id"), ("group_tokens", "group_id"), ("group_updates", "group_id")):
        change(server, f"UPDATE {table} SET account_id = ? WHERE {column} = ?", other, group["id"])


def offered_version(board: Board, **told: object) -> str | None:
    offer = board.offer(**told)
    return None if offer is None else decode(base64.b64decode(offer["manifest"])).version


def nothing_is_left(server: Server) -> bool:
    """No file, and no update."""
    folders = (server.data / "artifacts", server.data / "incoming")
    return not any(path.is_file() for folder in folders for path in folder.rglob("*")) and otas(server) == []
