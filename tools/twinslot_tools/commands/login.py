"""`twinslot login` and `twinslot logout`."""

import sys

from twinslot_tools import client, login
from twinslot_tools.asked import typed
from twinslot_tools.login import Login
from twinslot_tools.options import DEFAULT_SERVER, Json, Server, checked_bearer, run
from twinslot_tools.output import print_json, say


def log_in(server: Server = DEFAULT_SERVER, json: Json = False) -> None:
    """Keep a server's address and a token for it, so that the other commands need no settings.

    The token is asked for, or read from standard input when that is no terminal, and the server is asked whether it is
    good. `twinslot token --data DIR` prints one on the server's machine. They are kept in `twinslot/config.json` in
    `$XDG_CONFIG_HOME`, or else in `~/.config`, for you alone to read. `--server`, `TWINSLOT_SERVER` and
    `TWINSLOT_TOKEN` go before them.
    """
    token = checked_bearer("the token", _asked(server))
    run(client.check_token(server, token))
    file = login.store(Login(server, token))
    if json:
        print_json({"server": server, "file": str(file)})
    else:
        say(f"logged in at {server}")


def log_out(json: Json = False) -> None:
    """Forget the server and the token of `twinslot login`. The token stays good until its time is up."""
    was_there = login.remove()
    if json:
        print_json({"logged_out": was_there})
    else:
        say("logged out" if was_there else "nobody was logged in")


def _asked(server: str) -> str:
    if sys.stdin.isatty():
        return typed(f"token for {server}").strip()
    return sys.stdin.readline().strip()
