"""What the OpenAPI document tells that stands in no route: the forms of the parts of a path, the scopes in words."""

import re
from typing import Any

Schema = dict[str, Any]

DESCRIPTION = """\
The management APIs of a Twinslot server: its own under `/api/v1`, and Kaa's OTAO, IoTaaP's group OTA, SocketXP's
workflows and jobs, and Everyware's device packages as their clients know them.

What boards speak, `/device/v1`, is not in here: `docs/protocol.md` is its reference.

Every answer to an error has the form that its surface declares, also those that stand at no operation: 404 for a path
that is not in here, 405 with `Allow` for a method that a path does not take, 500 for a fault of the server, 503 while
the keys of an external issuer of tokens can't be had, 507 when the disk is full. Nothing was changed then."""

BEARER = (
    "From `/oauth/token`, from `/api/v1/sessions`, or from `twinslot token` for whoever can read the data directory."
)
CLIENT = "An API client's id and secret; they may stand in the form instead."

SCOPE_TEXTS = {
    "group:read": "see groups and their tokens' dates",
    "group:update": "make, change and delete groups and their tokens",
    "device:read": "see devices, their events and why they get what they get",
    "device:update": "change, move and delete devices",
    "filter:read": "see filters and which devices match",
    "filter:update": "make, change and delete filters",
    "application:software:read": "see applications and their releases",
    "application:software:update": "publish releases and change their rollout",
    "application:software:delete": "delete releases and their files",
    "endpoint:read": "see what a device has confirmed, on Kaa's surface",
    "group:ota:read": "see group updates, on IoTaaP's surface",
    "group:ota:update": "deploy group updates, on IoTaaP's surface",
    "workflow:read": "see workflows",
    "workflow:update": "make and delete workflows",
    "job:read": "see jobs",
    "job:update": "submit and cancel jobs",
    "package:read": "see a device's packages",
    "package:update": "install and remove a device's packages",
    "audit:read": "see who changed what",
    "user:read": "see users",
    "user:update": "make, change and delete users",
    "client:read": "see API clients",
    "client:update": "make and delete API clients",
    "account:update": "make and change accounts; of the first account only",
}

_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 64}
_SEMVER: Schema = {"type": "string", "minLength": 5, "maxLength": 64}
_UUID: Schema = {"type": "string", "format": "uuid"}
_ID_24: Schema = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
_DEVICE_ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"}

# By the word of the path before the part.
PARTS: dict[str, tuple[Schema, str]] = {
    "groups": (_ID_24, "the group's id"),
    "tokens": ({"type": "string", "pattern": "^[0-9]{1,18}$"}, "the token's id, not its secret"),
    "devices": (_DEVICE_ID, "the id that the device has chosen"),
    "endpoints": (_DEVICE_ID, "the id that the device has chosen"),
    "applications": (_NAME, "the application's name"),
    "releases": (_SEMVER, "the release's version: Semantic Versioning 2.0.0"),
    "software": (_SEMVER, "the version: Semantic Versioning 2.0.0"),
    "files": ({"type": "string", "pattern": "^[a-z0-9._-]{1,30}$"}, "the file's name"),
    "filters": (_UUID, "the filter's id"),
    "accounts": (_ID_24, "the account's id"),
    "workflows": (_UUID, "the workflow's id"),
    "workflow": (_UUID, "the workflow's id"),
    "jobs": (_UUID, "the job's id"),
    "job": (_UUID, "the job's id"),
    "operations": (_UUID, "the operation's id"),
    "packages": (_UUID, "the package's id"),
    "v1": ({"type": "string", "pattern": "^(_|[0-9a-f]{24})$"}, "the account's id, or `_` for the token's own"),
    "users": ({"type": "string", "minLength": 1, "maxLength": 64}, "the user's id"),
    "clients": ({"type": "string", "minLength": 1, "maxLength": 64}, "the client's id"),
}

_LAST_WORD = re.compile(r"/([^/{}]+)/$")


def part_of(prefix: str) -> tuple[Schema, str]:
    """The form and the meaning of the part of a path that follows `prefix`; any text where nothing is known of it."""
    found = _LAST_WORD.search(prefix)
    return PARTS.get(found[1] if found else "", ({"type": "string"}, ""))
