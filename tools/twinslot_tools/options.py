"""Options that more than one command has, and what goes with them."""

import asyncio
import os
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import semver
import typer

from twinslot_tools import login
from twinslot_tools.errors import BadFile, UsageError

T = TypeVar("T")

DEFAULT_SERVER = "http://127.0.0.1:8080"
DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")

NAME_BYTES = 64
PRINTABLE_ASCII = re.compile(r"[!-~]+")


def run(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. The only event loop of the command."""
    return asyncio.run(work)


def bearer_token(server: str) -> str:
    """The token for `server`: that of TWINSLOT_TOKEN, else that of the login, which is for its own server alone.

    It is no argument of a command, since others can see those.
    """
    token = os.environ.get("TWINSLOT_TOKEN", "").strip()
    if token:
        return checked_bearer("TWINSLOT_TOKEN", token)
    kept = login.load()
    if kept is not None and kept.server == server:
        return checked_bearer(str(login.path()), kept.token)
    raise UsageError(
        f"there is no token for {server}. On the server's machine, `twinslot token --data DIR` prints one; then "
        "`twinslot login`, which keeps it, or for this terminal alone: export TWINSLOT_TOKEN=..."
    )


def checked_bearer(what: str, token: str) -> str:
    """`token`, when it can be sent as one; `what` holds it."""
    if not token:
        raise UsageError(f"{what} is empty; `twinslot token --data DIR` prints one")
    if not PRINTABLE_ASCII.fullmatch(token):
        raise UsageError(f"{what} holds something that no token has; `twinslot token --data DIR` makes a new one")
    return token


def _known_server(context: typer.Context, option: typer.CallbackParam, url: str) -> str:
    """`url` when it was given, else the server of the login, if there is one."""
    source = context.get_parameter_source(option.name or "")
    kept = login.load() if source is not None and source.name == "DEFAULT" else None
    return checked_server(url if kept is None else kept.server)


def checked_server(url: str) -> str:
    """`url` without a slash at its end, its scheme in lower case, when it can be the address of a server."""
    if not is_web_address(url) or "?" in url or "#" in url:
        raise UsageError(f"{url!r} is no address of a server; one looks like http://127.0.0.1:8080")
    scheme, _, rest = url.partition("://")
    return f"{scheme.lower()}://{rest.rstrip('/')}"


def checked_for_devices(server: str) -> str:
    """`server`, when devices can reach it: what they know is a host and a port (firmware/twinslot/http.py)."""
    parts = urlsplit(server)
    if parts.path or ":" in (parts.hostname or ""):
        raise UsageError(
            f"devices can't reach {server}: they know neither paths in a server's address nor IPv6. Give the server a "
            "host name or a port of its own"
        )
    return server


def is_web_address(url: str) -> bool:
    """True when `url` is an address of http or https, without a user or a password in it."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        port = parts.port
    except ValueError:
        return False
    usable = bool(host) and parts.scheme in ("http", "https") and port != 0 and parts.username is None
    return usable and PRINTABLE_ASCII.fullmatch(url) is not None


def checked_name(what: str, name: str) -> str:
    """`name`, when it can be that of `what` by the server's rule; `what` is for people."""
    if not name or not name.isprintable() or "/" in name or name in (".", "..") or len(name.encode()) > NAME_BYTES:
        raise UsageError(f"{name!r} is no name for {what}: 1 to {NAME_BYTES} bytes, printable and without '/'")
    return name


def checked_app(app: str) -> str:
    """`app`, when it can be an application's name."""
    return checked_name("an application", app)


def checked_device(device: str) -> str:
    """`device`, when it can be a device's id."""
    if not DEVICE_ID.fullmatch(device):
        raise UsageError(
            f"{device!r} is no device id: 1 to 64 of A-Z a-z 0-9 . _ : -, beginning with a letter or digit"
        )
    return device


def checked_group(group: str) -> str:
    """`group`, when it can be sent as a group's id; the server says whether it is one."""
    if not PRINTABLE_ASCII.fullmatch(group) or '"' in group:
        raise UsageError(f"{group!r} is no id of a group; `twinslot group list` shows them")
    return group


def checked_token(token: str) -> str:
    """`token`, when it can be a group's."""
    if not PRINTABLE_ASCII.fullmatch(token):
        raise UsageError(
            "that is no group's token; `twinslot group create` prints one, `twinslot group token ID` a further one"
        )
    return token


def checked_segment(what: str, part: str) -> str:
    """`part`, when an address can hold it: clients remove `.` and `..` from one."""
    if part in ("", ".", ".."):
        raise UsageError(f"{part!r} is no id of {what}")
    return part


def checked_version(version: str) -> str:
    """`version`, when it is one of semver 2.0.0 that fits into a manifest."""
    if not semver.Version.is_valid(version) or len(version) > 64:
        raise UsageError(f"{version!r} is no version like 1.2.3 or 2.0.0-rc.1 (semver 2.0.0, up to 64 characters)")
    return version


def readable(path: Path) -> Path:
    """`path`, when it is a file that can be read."""
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise BadFile(f"can't read {path}: {error.strerror}") from error


def content(path: Path) -> bytes:
    """What the file holds; raises `BadFile` when it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadFile(f"can't read {path}: {error.strerror}") from error


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document in place of tables.")]
Server = Annotated[
    str,
    typer.Option(
        "--server", envvar="TWINSLOT_SERVER", metavar="URL", help="The server's address.", callback=_known_server
    ),
]
