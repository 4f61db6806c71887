"""Accounts that have one of each thing, for tests that walk every route."""

import dataclasses
import json
import re
import secrets
import sqlite3
import urllib.parse
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from twinslot_host.description.openapi import path_of
from twinslot_host.handlers.described import DESCRIBED
from twinslot_host.handlers.routes import Route

from .clients import Answer, Server
from .samples import make_image

ROUTES = [route for routes in DESCRIBED for route in routes.all]
_PART = re.compile(r"/([^/{}]+)/\{\w+\}")


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a multipart form."""

    name: str
    content: bytes
    filename: str | None = None

    def encoded(self) -> bytes:
        name = f"; filename={json.dumps(self.filename, ensure_ascii=False)}" if self.filename else ""
        return (
            b'Content-Disposition: form-data; name="%s"%s\r\n\r\n' % (self.name.encode(), name.encode()) + self.content
        )


Sent = dict | list[Part] | None


@dataclasses.dataclass
class Account:
    """An account's token, and what the account has: ids by the word of the path that stands before them."""

    server: Server
    id: str
    name: str
    number: int  # in its versions, so that no two accounts share one
    bearer: str
    ids: dict[str, str] = dataclasses.field(default_factory=dict)
    group: dict = dataclasses.field(default_factory=dict)

    def call(self, method: str, path: str, sent: Sent = None, bearer: str | None = None) -> Answer:
        headers, body = encoded(sent)
        return self.server.request(method, path, body, headers | {"Authorization": f"Bearer {bearer or self.bearer}"})

    def made(self, method: str, path: str, sent: Sent = None) -> Answer:
        answer = self.call(method, path, sent)
        assert 200 <= answer.status < 300, (path, answer.body)
        return answer


def encoded(sent: Sent) -> tuple[dict[str, str], bytes | None]:
    """Headers and body: a dictionary as JSON, a list of parts as a form."""
    if isinstance(sent, dict):
        return {"Content-Type": "application/json"}, json.dumps(sent).encode()
    if sent is None:
        return {}, None
    boundary = secrets.token_hex(16)
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), part.encoded()) for part in sent)
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, body + f"--{boundary}--\r\n".encode()


def path_with(route: Route, ids: dict[str, str]) -> str:
    """The route's path with these ids, as it is sent."""
    return _PART.sub(lambda found: f"/{found[1]}/{urllib.parse.quote(ids[found[1]], safe='')}", path_of(route))


def first_account(server: Server, name: str = "amber") -> Account:
    """The account that a server starts with; its things get this name."""
    bearer = server.token(ttl_s=3600)
    headers = {"Authorization": f"Bearer {bearer}"}
    listed = server.request("GET", "/api/v1/accounts", headers=headers).json["items"]
    return Account(server, listed[0]["id"], name, 1, bearer)


def another_account(first: Account, name: str, number: int = 2) -> Account:
    """One more account, set up by its link, with a token of its first client."""
    made = first.made("POST", "/api/v1/accounts", {"name": name}).json
    link = urllib.parse.urlsplit(made["setup_link"])
    token = urllib.parse.parse_qs(link.query)["token"][0]
    body = {"token": token, "name": f"{name}-owner", "password": "correct horse battery"}
    headers = {"Content-Type": "application/json"}
    client = first.server.request("POST", "/api/v1/setup", json.dumps(body), headers).json["client"]
    return Account(first.server, made["id"], name, number, token_of(first.server, client))


def token_of(server: Server, client: dict, scope: str = "") -> str:
    form = {"grant_type": "client_credentials", "client_id": client["id"], "client_secret": client["secret"]}
    body = urllib.parse.urlencode(form | ({"scope": scope} if scope else {}))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return server.request("POST", "/oauth/token", body, headers).json["access_token"]


def furnish(account: Account) -> Account:
    """The account has one of each thing, with its name in whatever has one."""
    name, api, number = account.name, "/api/v1", account.number
    group = account.made("POST", f"{api}/groups", new_group(name)).json
    device, app = f"{name}-board", group["app"]
    account.server.board(group, device).check()
    account.made("PATCH", f"{api}/devices/{device}", {"tags": [f"{name}-tag"], "attributes": {"owner": name}})
    token = account.made("POST", f"{api}/groups/{group['id']}/tokens").json
    made = account.made("POST", f"{api}/filters", new_filter(name, group["id"])).json
    client = account.made("POST", f"{api}/clients", new_client(name)).json
    user = account.made("POST", f"{api}/users", new_user(name)).json
    account.made("POST", f"{api}/applications/{app}/releases", new_release(f"1.1.{number}", name))
    account.made("POST", f"/otao/api/v1/applications/{app}/software/1.0.0", {"rolloutStrategy": "suspended"})
    version = f"/otao/api/v1/applications/{app}/software/1.2.{number}"
    account.made("POST", version, new_software(made["id"], name))
    account.made("PUT", f"{version}/files", new_file(name))
    account.made("POST", "/v1/ota/group", new_update(group, f"1.3.{number}", name))
    package = account.made("POST", f"{api}/packages", new_package(name, f"1.4.{number}")).json
    account.server.board(group, device).inventory([{"name": name, "version": "1.0", "modules": [f"{name}_module"]}])
    workflow = account.made("POST", f"{api}/workflows", new_workflow(name)).json
    job = account.made("POST", f"{api}/jobs", new_job(name, device)).json
    (operation,) = account.made("GET", f"{api}/jobs/{job['id']}/children").json["items"]
    made_there = account.made("POST", "/v1/workflow", new_workflow_there(name)).json
    submitted = account.made("POST", "/v1/job", new_job_there(name, made_there["WorkflowId"], DeviceId=device)).json
    account.group = group
    account.ids = {
        "groups": group["id"],
        "tokens": token["id"],
        "devices": device,
        "endpoints": device,
        "filters": made["id"],
        "clients": client["id"],
        "users": user["id"],
        "accounts": account.id,
        "applications": app,
        "releases": f"1.1.{number}",
        "software": f"1.2.{number}",
        "files": f"{name}.bin",
        "workflows": workflow["id"],
        "jobs": job["id"],
        "operations": operation["id"],
        "workflow": made_there["WorkflowId"],
        "job": submitted["JobId"],
        "packages": package["id"],
        "v1": account.id,
    }
    return account


def new_group(name: str) -> dict:
    return {"name": f"{name}-group", "app": f"{name}-app", "trust": "server", "keys": []}


def new_filter(name: str, group: str) -> dict:
    return {"name": f"{name}-filter", "predicate": {"groups": [group]}}


def new_client(name: str) -> dict:
    return {"name": f"{name}-client", "scopes": ["group:read"]}


def new_user(name: str) -> dict:
    return {"name": f"{name}-user", "password": "correct horse battery", "scopes": ["group:read"]}


def new_release(version: str, name: str, filter_id: str | None = None) -> list[Part]:
    release = {"version": version, "strategy": "suspended"} | (
        {"filters": [{"filter": filter_id}]} if filter_id else {}
    )
    return [
        Part("release", json.dumps(release).encode()),
        Part("image", make_image(b"one " + name.encode()), f"{name}.bin"),
    ]


def new_software(filter_id: str, name: str) -> dict:
    return {"rolloutStrategy": "targeted", "filters": [{"filterId": filter_id}], "specification": {"of": name}}


def new_file(name: str) -> list[Part]:
    return [Part("file", make_image(b"two " + name.encode()), f"{name}.bin")]


def new_update(group: dict, version: str, name: str) -> list[Part]:
    texts = {"group": group["id"], "token": group["token"], "version": version}
    firmware = Part("firmware", make_image(b"three " + name.encode()), f"{name}.bin")
    return [firmware, *(Part(each, text.encode()) for each, text in texts.items())]


def new_workflow(name: str) -> dict:
    return {"name": f"{name}-workflow", "command": f"cat /{name}"}


def new_job(name: str, device: str) -> dict:
    return {"name": f"{name}-job", "command": f"cat /{name}", "device": device, "timeout": 60}


def new_workflow_there(name: str) -> dict:
    """SocketXP's."""
    return {"Name": f"{name}-workflow", "Command": f"cat /{name}"}


def new_job_there(name: str, workflow: str, **target: str) -> dict:
    """SocketXP's."""
    return {"Name": f"{name}-job", "WorkflowId": workflow, **target}


def new_package(name: str, version: str) -> list[Part]:
    about = {"name": f"{name}-package", "version": version}
    return [Part("package", json.dumps(about).encode()), Part("file", f"# {name}\n".encode(), f"{name}/__init__.py")]


KAA = "/otao/api/v1/applications/{appName}/software/{softwareVersion}"
RELEASES = "/api/v1/applications/{app}/releases"
PACKAGES = "/v1/{scopeId}/devices/{deviceId}/packages"

# A body for each route that takes one, such as the account itself could send.
GOOD: dict[tuple[str, str], Callable[[Account], Sent]] = {
    ("POST", "/api/v1/groups"): lambda me: new_group("good"),
    ("PATCH", "/api/v1/groups/{id}"): lambda me: {"name": "good", "poll_s": 60, "target": me.ids["releases"]},
    ("POST", "/api/v1/groups/{id}/tokens/rotate"): lambda me: {"grace_s": 0},
    ("PATCH", "/api/v1/devices/{id}"): lambda me: {
        "attributes": {"floor": 3, "owner": "good"},
        "tags": ["good"],
        "group": me.ids["groups"],
    },
    ("POST", "/api/v1/filters"): lambda me: new_filter("good", me.ids["groups"]),
    ("PUT", "/api/v1/filters/{id}"): lambda me: {
        "name": "good",
        "predicate": {
            "groups": [me.ids["groups"]],
            "tags": ["good"],
            "attributes": {"floor": 3},
            "percentage": 12.5,
        },
    },
    ("POST", RELEASES): lambda me: new_release("3.0.0", "good", me.ids["filters"]),
    ("PATCH", f"{RELEASES}/{{version}}"): lambda me: {
        "strategy": "targeted",
        "upgradable_from": ["1.0.0"],
        "filters": [{"filter": me.ids["filters"], "rollout_at": "2030-01-01T00:00:00Z"}],
        "metadata": {"note": "good"},
    },
    ("POST", KAA): lambda me: (
        new_software(me.ids["filters"], "good") | {"metadata": "good", "upgradableFrom": ["1.0.0"]}
    ),
    ("PUT", KAA): lambda me: {
        "rolloutStrategy": "targeted",
        "filters": [{"filterId": me.ids["filters"], "rolloutDate": "2030-01-01T00:00:00Z"}],
        "metadata": {"note": "good"},
        "upgradableFrom": ["1.0.0"],
        "skipDispatchingToEndpoint": True,
    },
    ("PUT", f"{KAA}/files"): lambda me: new_file("good"),
    ("POST", "/v1/ota/group"): lambda me: new_update(me.group, "3.0.0", "good"),
    ("POST", "/api/v1/workflows"): lambda me: new_workflow("good"),
    ("POST", "/api/v1/jobs"): lambda me: new_job("good", me.ids["devices"]),
    ("POST", "/v1/workflow"): lambda me: new_workflow_there("good"),
    ("POST", "/v1/job"): lambda me: new_job_there("good", me.ids["workflow"], DeviceId=me.ids["devices"]),
    ("POST", "/api/v1/packages"): lambda me: new_package("good", "3.0.0"),
    ("POST", f"{PACKAGES}/_download"): lambda me: {
        "uri": "https://user:word@packages.example/good.py",
        "name": "good",
        "version": "1.0",
        "install": False,
        "reboot": True,
        "rebootDelay": 5,
        "fileHash": f"SHA256:{'a' * 64}",
    },
    ("POST", f"{PACKAGES}/_uninstall"): lambda me: {"name": "good", "version": "1.0"},
    ("POST", "/api/v1/users"): lambda me: new_user("good"),
    ("PATCH", "/api/v1/users/{id}"): lambda me: {"password": "battery horse correct", "scopes": ["group:read"]},
    ("POST", "/api/v1/clients"): lambda me: new_client("good"),
    ("POST", "/api/v1/accounts"): lambda me: {"name": "good"},
    ("PATCH", "/api/v1/accounts/{id}"): lambda me: {"name": "good", "group_ota": True},
    ("POST", "/api/v1/setup"): lambda me: {"token": "good", "name": "good", "password": "correct horse battery"},
    ("POST", "/api/v1/sessions"): lambda me: {"name": "good", "password": "correct horse battery"},
}


def carrying(data: Path) -> set[str]:
    """The files of the transfers of images that a release has, against bases that one has."""
    sql = (
        "SELECT t.sha256 FROM transfers t JOIN files f ON f.sha256 = t.image"
        " WHERE t.base = '' OR t.base IN (SELECT sha256 FROM files)"
    )
    with closing(sqlite3.connect(f"file:{data / 'twinslot.db'}?mode=ro", uri=True)) as db:
        return {row[0] for row in db.execute(sql)}


def left(data: Path) -> list[str]:
    """The files of releases, and whatever else lies there, those transfers aside."""
    files = (path for folder in ("artifacts", "incoming") for path in (data / folder).rglob("*") if path.is_file())
    known = carrying(data)
    return [path.name for path in files if path.name not in known]


def rows(data: Path, account: str | None = None) -> dict[str, list]:
    """All that the database holds, or all that is the account's, by table."""
    with sqlite3.connect(f"file:{data / 'twinslot.db'}?mode=ro", uri=True) as db:
        db.row_factory = sqlite3.Row
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        held = {table: [dict(row) for row in db.execute(f"SELECT * FROM {table}")] for table in tables}
    if account is None:
        return held
    return {
        table: [row for row in its if account in (row.get("account_id"), row.get("id"))] for table, its in held.items()
    }
