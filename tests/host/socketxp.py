"""SocketXP's calls, as its clients make them, and a device that runs what it is given."""

import json
import re
import secrets
import sqlite3
from contextlib import closing

from .clients import JSON, Answer, Server

UNKNOWN = "678edc16-96d1-4ea2-a99c-0474c2449381"
TIME = re.compile(r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [1-9]\d?, \d{4}, \d\d:\d\d:\d\d UTC")


class SocketXP:
    """A client with a token of some scopes; without a choice, of all. What it lists is what it has made."""

    def __init__(self, server: Server, scopes: list[str] | None = None) -> None:
        self.server = server
        self.made: set[str] = set()
        self.headers = {"Authorization": f"Bearer {server.token(scopes)}"}

    def call(self, method: str, path: str, body: object = None) -> Answer:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.server.request(method, f"/v1{path}", data, self.headers | ({} if body is None else JSON))

    def workflow(self, command: str = "date", name: str = "print-date-workflow") -> str:
        answer = self.call("POST", "/workflow", {"Name": name, "Command": command})
        assert (answer.status, answer.json.keys()) == (200, {"WorkflowId"})
        self.made.add(answer.json["WorkflowId"])
        return answer.json["WorkflowId"]

    def submit(self, workflow: str | None = None, name: str = "test-job-123", **target: str) -> str:
        answer = self.try_submit(workflow or self.workflow(), name, **target)
        assert (answer.status, answer.json.keys()) == (200, {"JobId"}), answer.body
        self.made.add(answer.json["JobId"])
        return answer.json["JobId"]

    def try_submit(self, workflow: str, name: str = "test-job-123", **target: str) -> Answer:
        return self.call("POST", "/job", {"Name": name, "WorkflowId": workflow, **target})

    def get(self, path: str):
        answer = self.call("GET", path)
        assert answer.status == 200, answer.body
        assert answer.headers["Content-Type"].startswith("application/json")
        return answer.json

    def job(self, job: str) -> dict:
        return self.get(f"/job/{job}")

    def children(self, job: str) -> list[dict]:
        return self.get(f"/job/{job}/childjobs")

    def workflows(self) -> list[dict]:
        return [each for each in self.get("/workflow") if each["WorkflowId"] in self.made]

    def jobs(self) -> list[dict]:
        return [each for each in self.get("/job") if each["JobId"] in self.made]

    def listed(self) -> list[str]:
        return [each["JobId"] for each in self.jobs()]


class Worker:
    """A device that takes operations, and tells what came of them."""

    def __init__(self, server: Server, group: dict, device: str, *, tags: tuple[str, ...] = ()) -> None:
        self.board, self.device = server.board(group, device), device
        self.take()
        if tags:
            assert server.api("PATCH", f"/devices/{device}", {"tags": list(tags)}).status == 200

    def take(self) -> dict | None:
        """A check-in; the operation that it brought."""
        return self.board.work()

    def tell(self, operation: dict, state: str = "succeeded", output: str = "", part: int = 0, **told: object) -> bool:
        """A report; whether the device is to stop."""
        code = {"exit_code": None if state == "running" else 0}
        answer = self.board.tell(operation, state, part, output=output, **(code | told))
        assert answer.status == 200, answer.body
        return answer.json["stop"]

    def run(self, state: str = "succeeded", output: str = "", **told: object) -> str:
        """The next operation is over; its command."""
        operation = self.take()
        assert operation is not None
        self.tell(operation, state, output, **told)
        return operation["command"]


def message(answer: Answer, status: int) -> str:
    """What the surface says of an error, in its form and in no other."""
    assert (answer.status, answer.json.keys()) == (status, {"message"}), answer.body
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.json["message"]


def workers(server: Server, *names: str, tags: tuple[str, ...] = ()) -> tuple[dict, list[Worker]]:
    """A new group, and devices of it whose ids end so."""
    group = server.group()
    return group, [Worker(server, group, f"{name}-{secrets.token_hex(4)}", tags=tags) for name in names]


def change(server: Server, sql: str, *values: object) -> None:
    """What no route can do is done to the database of the running server."""
    with closing(sqlite3.connect(server.data / "twinslot.db", isolation_level=None)) as db:
        db.execute(sql, values)


def stored(server: Server, sql: str, *values: object) -> list[tuple]:
    """What lies in the database."""
    with closing(sqlite3.connect(f"file:{server.data / 'twinslot.db'}?mode=ro", uri=True)) as db:
        return db.execute(sql, values).fetchall()
