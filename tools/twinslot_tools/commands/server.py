"""`twinslot serve` and `twinslot token`: the commands that run on the server's own machine."""

import time
from pathlib import Path
from typing import Annotated

import typer

from twinslot_tools.errors import BadFile, ServerRefused, UsageError
from twinslot_tools.options import Json, is_web_address
from twinslot_tools.output import print_json, say

MONTH_S = 30 * 24 * 3600
TEN_YEARS_S = 10 * 365 * 24 * 3600

Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="The server's data directory.")]


Port = Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 picks a free one.")]
LinkLife = Annotated[
    int, typer.Option("--link-life", min=60, max=86400, metavar="SECONDS", help="How long a link to a file is good.")
]
Issuer = Annotated[
    str,
    typer.Option(
        envvar="TWINSLOT_ISSUER",
        metavar="URL",
        help="Accept the tokens of this issuer, and no users' and clients' of the server's own; "
        "with --audience and --jwks.",
    ),
]
Audience = Annotated[
    str, typer.Option(envvar="TWINSLOT_AUDIENCE", metavar="NAME", help="What the issuer's tokens call this server.")
]
Jwks = Annotated[
    str, typer.Option(envvar="TWINSLOT_JWKS", metavar="URL", help="Where the issuer's public keys are (a JWK set).")
]


def serve(
    data: Data,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Port = 8080,
    link_life: LinkLife = 900,
    issuer: Issuer = "",
    audience: Audience = "",
    jwks: Jwks = "",
    json: Json = False,
) -> None:
    """Run the server until it is stopped.

    DIR is made at the first start, with the server's signing key in it. Prints `listening on URL` once it is ready, and
    then, as long as the first account has no user, a link that makes one.
    """
    _check_issuer(issuer, audience, jwks)
    from twinslot_host import app as host_app  # here, since no other command needs the server's libraries
    from twinslot_host import errors as host_errors
    from twinslot_host.issuer import Trusted

    def announce(address: str, setup_link: str | None) -> None:
        if json:
            print_json({"listening": address, "setup_link": setup_link})
            return
        say(f"listening on {address}")
        if setup_link is not None:
            say(f"set up the account: {setup_link}")

    trusted = Trusted(issuer, audience, jwks) if issuer else None
    try:
        host_app.serve(data, host, port, announce, link_life_s=link_life, issuer=trusted)
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
    ttl: Annotated[
        int, typer.Option("--ttl", min=1, max=TEN_YEARS_S, metavar="SECONDS", help="How long it is good.")
    ] = MONTH_S,
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


def _check_issuer(issuer: str, audience: str, jwks: str) -> None:
    """Raises `UsageError` when only some of the three are given, or an address is none."""
    if len({bool(each) for each in (issuer, audience, jwks)}) > 1:
        raise UsageError("--issuer, --audience and --jwks go together: give all three or none")
    for name, url in (("--issuer", issuer), ("--jwks", jwks)):
        if url and not is_web_address(url):
            raise UsageError(f"{name}: {url!r} is no address; one looks like https://login.example.com/keys")
