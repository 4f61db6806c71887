"""`twinslot serve` and `twinslot token`: the commands that run on the server's own machine."""

import time
from pathlib import Path
from typing import Annotated

import typer

from twinslot_tools.errors import BadFile, ServerRefused
from twinslot_tools.options import Json
from twinslot_tools.output import print_json, say

MONTH_S = 30 * 24 * 3600

Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="The server's data directory.")]


def serve(
    data: Data,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 picks a free one.")] = 8080,
    json: Json = False,
) -> None:
    """Run the server until it is stopped.

    DIR is made at the first start, with the server's signing key in it. Prints `listening on URL` once it is ready.
    """
    from twinslot_host import app as host_app  # here, since no other command needs the server's libraries
    from twinslot_host import errors as host_errors

    def announce(address: str) -> None:
        if json:
            print_json({"listening": address})
        else:
            say(f"listening on {address}")

    try:
        host_app.serve(data, host, port, announce)
    except (host_errors.DataDirInUse, host_errors.CannotListen) as error:
        raise ServerRefused(str(error)) from error
    except host_errors.TwinslotError as error:
        raise BadFile(str(error)) from error


def token(
    data: Data,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="S", help="What it allows; may be repeated. [default: all]"),
    ] = None,
    ttl: Annotated[int, typer.Option("--ttl", min=1, metavar="SECONDS", help="How long it is good.")] = MONTH_S,
    json: Json = False,
) -> None:
    """Print a token for the server's management API, for whoever can read its data directory."""
    from twinslot_host import errors as host_errors
    from twinslot_host import tokens

    try:
        issued = tokens.issue(data, scope or None, ttl, int(time.time()))
    except host_errors.TwinslotError as error:
        raise BadFile(str(error)) from error
    if json:
        print_json({"token": issued, "ttl": ttl})
    else:
        say(issued)
