"""What packages are made of: names, versions, and files by their paths."""

import re
from collections.abc import Iterable

from twinslot_host.domain import paths
from twinslot_host.errors import Invalid

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", re.ASCII)
TAKEN = ("index.json", "index.json.new")  # a board's own files beside its packages; no name, and no version
RESERVED = (
    "twinslot",
    "app",
    "boot",
    "main",
)  # modules by which a board stays reachable; it takes no others of that name


def checked_path(path: str) -> str:
    """The path, which is one inside a package's folder on every board. Raises Invalid showing it."""
    reason = paths.refusal(path, RESERVED)
    if reason is not None:
        raise Invalid(f"file: {reason}")
    return path


def check_apart(path: str, others: Iterable[str]) -> None:
    """The file can lie beside the others. Raises Invalid naming the two that can't."""
    reason = paths.clash(path, others)
    if reason is not None:
        raise Invalid(f"file: {reason}")
