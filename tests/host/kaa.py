"""A client of the routes under /otao/api/v1, as one that was written for Kaa speaks them."""

import hashlib
import json
import secrets
from urllib.parse import urlsplit

from .clients import Answer, Board, Server
from .samples import make_image

BASE = "/otao/api/v1"
SCOPES = ("application:software:read", "application:software:update", "application:software:delete", "endpoint:read")


class Kaa:
    """`scopes`: those of its token. A part of a path is sent as it is given, escapes and all."""

    def __init__(self, server: Server, app: str = "smart-kettle", scopes=SCOPES) -> None:
        self.server, self.app = server, app
        self.headers = {"Authorization": f"bearer {server.token(scopes)}"}

    def call(self, method: str, path: str, body=None) -> Answer:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = self.headers if data is None else {**self.headers, "Content-Type": "application/json"}
        return self.server.request(method, BASE + path, data, headers)

    def software(self, method: str, version: str, body=None) -> Answer:
        return self.call(method, f"/applications/{self.app}/software/{version}", body)

    def all(self) -> Answer:
        return self.call("GET", f"/applications/{self.app}/software")

    def get(self, version: str) -> Answer:
        return self.software("GET", version)

    def post(self, version: str, body=None, **fields) -> Answer:
        return self.software("POST", version, {"rolloutStrategy": "general"} | fields if body is None else body)

    def put(self, version: str, body=None, **fields) -> Answer:
        return self.software("PUT", version, {"rolloutStrategy": "general"} | fields if body is None else body)

    def delete(self, version: str) -> Answer:
        return self.software("DELETE", version)

    def upload(self, version: str, content: bytes, name: str | None = "app.bin", part: str = "file") -> Answer:
        given = f'form-data; name="{part}"' if name is None else f'form-data; name="{part}"; filename="{name}"'
        return self.form(version, [(given, content)])

    def form(self, version: str, parts: list[tuple[str, bytes]]) -> Answer:
        boundary = secrets.token_hex(16)
        body = b"".join(
            b"--%s\r\nContent-Disposition: %s\r\n\r\n%s\r\n" % (boundary.encode(), given.encode(), content)
            for given, content in parts
        )
        headers = {**self.headers, "Content-Type": f"multipart/form-data; boundary={boundary}"}
        path = f"{BASE}/applications/{self.app}/software/{version}/files"
        return self.server.request("PUT", path, body + f"--{boundary}--\r\n".encode(), headers)

    def delete_file(self, version: str, name: str = "app.bin") -> Answer:
        return self.software("DELETE", f"{version}/files/{name}")

    def link(self, version: str, name: str = "app.bin") -> Answer:
        return self.software("GET", f"{version}/files/{name}/links")

    def current(self, endpoint: str) -> Answer:
        return self.call("GET", f"/endpoints/{endpoint}/software/current")


def message(answer: Answer, status: int) -> str:
    """What the error says; its body is the surface's, to the letter."""
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json"), answer.body
    assert answer.json.keys() == {"message"}
    assert answer.json["message"]
    return answer.json["message"]


def new_filter(server: Server, **predicate: object) -> str:
    answer = server.api("POST", "/filters", {"name": secrets.token_hex(8), "predicate": predicate})
    assert answer.status == 201, answer.body
    return answer.json["id"]


def stored(server: Server, content: bytes) -> bool:
    digest = hashlib.sha256(content).hexdigest()
    return (server.data / "artifacts" / digest[:2] / digest).is_file()


def unique_image() -> bytes:
    return make_image(secrets.token_bytes(8), size=1000)


def installing(kaa: Kaa, content: bytes, **fields: object) -> Board:
    """A board that was offered 1.1.0, which has a file."""
    board = kaa.server.board(kaa.server.group(app=kaa.app), f"takes-{kaa.app}")
    kaa.post("1.1.0", **fields)
    assert kaa.upload("1.1.0", content).status == 204
    assert board.offer() is not None
    return board


def in_path(answer: Answer) -> str:
    """The path and query of the link, without the server's address."""
    assert (answer.status, answer.json.keys()) == (200, {"link"})
    parts = urlsplit(answer.json["link"])
    return f"{parts.path}?{parts.query}"
