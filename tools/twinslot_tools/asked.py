"""Secrets: from the environment, or typed at the terminal where nobody sees them."""

import getpass
import os
import sys

from twinslot_tools.errors import Interrupted, UsageError


def secret(variable: str, what: str) -> str:
    """The secret in the environment's `variable`, or as it was typed. Raises UsageError when nobody can be asked."""
    if variable in os.environ:
        return os.environ[variable]
    if not sys.stdin.isatty():
        raise UsageError(f"{variable} is not set, and there is no terminal to ask for {what}. export {variable}=...")
    return typed(what)


def typed(what: str) -> str:
    """What was typed at the terminal, which did not show it. Raises Interrupted at Ctrl-D, as Ctrl-C does elsewhere."""
    try:
        return getpass.getpass(f"{what}: ")
    except EOFError:
        raise Interrupted from None
