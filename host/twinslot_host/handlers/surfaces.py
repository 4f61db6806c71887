"""The surfaces: sets of routes, each with its own form of an error's body."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from twinslot_host.errors import Conflict, TwinslotError, WrongType

# An error whose title is one of these is told by that name on OAuth's surface (RFC 6749 section 5.2).
TOKEN_ERRORS = ("invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope")
# What an error is called on Everyware's surface, by its status; other ones are the caller's fault or the server's.
TYPES = {401: "unauthorized", 403: "forbidden", 404: "entityNotFound", 409: "deviceNotConnected"}
_NOT_DESCRIBING = re.compile(r"[^ !#-\[\]-~]")


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str


class TokenProblem(BaseModel):
    """RFC 6749 section 5.2."""

    error: str
    error_description: str


class Message(BaseModel):
    """What Kaa, IoTaaP and SocketXP answer with."""

    message: str


class TypedMessage(BaseModel):
    """What Everyware answers with."""

    type: str
    message: str


class Fault(Message):
    """What IoTaaP answers with when the server has a fault."""

    error: str


@dataclass(frozen=True)
class Surface:
    """`prefix` is a regular expression: what the surface's paths begin with, a slash after each.

    `told` makes the body from the status, its title and the detail; `statuses` replaces an error's own status.
    `faults` is what the server's own fault is called, by the request's method, where the surface has a name for it.
    """

    name: str
    prefix: str
    media_type: str
    error: type[BaseModel]
    told: Callable[[int, str, str], BaseModel]
    statuses: Mapping[type[TwinslotError], int] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    def status_of(self, error: TwinslotError) -> int:
        """The status with which this surface answers the error."""
        return self.statuses.get(type(error), error.status)


def _problem(status: int, title: str, detail: str) -> Problem:
    return Problem(type="about:blank", title=title, status=status, detail=detail or title)


def _message(status: int, title: str, detail: str) -> Message:
    return Message(message=detail or title)


def _message_or_fault(status: int, title: str, detail: str) -> Message:
    return Fault(message=title, error=detail) if status == 500 else _message(status, title, detail)


def _typed(status: int, title: str, detail: str) -> TypedMessage:
    kind = TYPES.get(status, "internalError" if status >= 500 else "illegalArgument")
    return TypedMessage(type=kind, message=detail or title)


def _token_problem(status: int, title: str, detail: str) -> TokenProblem:
    other = "invalid_request" if status < 500 else "temporarily_unavailable" if status == 503 else "server_error"
    code = title if title in TOKEN_ERRORS else other
    return TokenProblem(error=code, error_description=_NOT_DESCRIBING.sub("?", detail or title))


OWN = Surface("Twinslot", "/", "application/problem+json", Problem, _problem)
KAA = Surface(
    "Kaa OTAO", "/otao/api/v1/", "application/json", Message, _message, statuses={Conflict: 400, WrongType: 400}
)
IOTAAP = Surface(
    "IoTaaP group OTA",
    "/v1/ota/group/",
    "application/json",
    Message,
    _message_or_fault,
    statuses={Conflict: 400, WrongType: 400},
    faults={"GET": "Error when getting group OTA's.", "POST": "Error when uploading firmware file"},
)
SOCKETXP = Surface(
    "SocketXP workflows and jobs",
    r"/v1/(?:workflow|job)/",
    "application/json",
    Message,
    _message,
    statuses={Conflict: 400, WrongType: 400},
)
OAUTH = Surface(
    "OAuth 2.0", "/oauth/token/", "application/json", TokenProblem, _token_problem, statuses={WrongType: 400}
)
EVERYWARE = Surface(
    "Everyware device packages",
    r"/v1/(?s:.+)/devices/",  # an encoded slash in the first part makes more of it
    "application/json",
    TypedMessage,
    _typed,
    statuses={Conflict: 400, WrongType: 400},
)

_SURFACES = (KAA, IOTAAP, SOCKETXP, OAUTH, EVERYWARE)


def surface_of(path: str) -> Surface:
    """The surface that answers for the path; our own where no other does."""
    return next((each for each in _SURFACES if re.match(each.prefix, path + "/")), OWN)
