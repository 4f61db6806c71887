"""`twinslot keygen`."""

from pathlib import Path
from typing import Annotated

import typer

from twinslot_tools import signing
from twinslot_tools.options import Json
from twinslot_tools.output import print_json, say


def keygen(
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where the private key goes; FILE.pub is the public one.")
    ],
    json: Json = False,
) -> None:
    """Make a publisher's key pair: the private half stays with you, devices are given the public one.

    The private key is PEM (PKCS#8) that only you can read. Keep a copy in a safe place: devices that trust this key
    alone can never be updated without it.
    """
    public = signing.make_key(out)
    if json:
        print_json({"private": str(out), "public": str(public)})
    else:
        say(f"{out}: private key, keep it to yourself\n{public}: public key, for `twinslot group create --key`")
