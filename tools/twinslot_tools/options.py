"""Options that more than one command has, and what goes with them."""

import asyncio
import os
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import semver
import typer

from twinslot_tools.errors import BadFile, UsageError

T = TypeVar("T")

DEFAULT_SERVER = "http://127.0.0.1:8080"
DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document in place of tables.")]
Server = Annotated[str, typer.Option("--server", envvar="TWINSLOT_SERVER", metavar="URL", help="The server's address.")]


def run(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. The only event loop of the command."""
    return asyncio.run(work)


def bearer_token() -> str:
    """The token of TWINSLOT_TOKEN; it comes from the environment alone, since others can see a command's arguments."""
    token = os.environ.get("TWINSLOT_TOKEN", "").strip()
    if not token:
        raise UsageError(
            "TWINSLOT_TOKEN is not set. On the server's machine, `twinslot token --data DIR` prints a token; "
            "then: export TWINSLOT_TOKEN=..."
        )
    return token


def checked_app(app: str) -> str:
    """`app`, when it can be an application's name: 1 to 64 bytes of UTF-8."""
    if not 1 <= len(app.encode()) <= 64:
        raise UsageError(f"{app!r} is no name for an application: 1 to 64 bytes, please")
    return app


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
