"""What names and ids may look like."""

import re
import unicodedata

from twinslot_host.errors import Invalid

NAME_LIMIT_BYTES = 64
DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)
GROUP_ID = re.compile(r"[0-9a-f]{24}", re.ASCII)


def checked_name(what: str, name: str) -> str:
    """The name, which can stand in a manifest and in a path.

    Raises Invalid, naming `what`, for one that is empty, over 64 bytes of UTF-8 (the manifest's limit), holds `/` or
    anything unprintable, is `.` or `..`, which clients remove from an address, or looks like another name: with spaces
    around it, or not in Unicode's normal form C.
    """
    if not name or not name.isprintable() or "/" in name or name in (".", ".."):
        raise Invalid(f"{what}: a name is 1 to 64 printable characters without '/'")
    if name != name.strip() or not unicodedata.is_normalized("NFC", name):
        raise Invalid(f"{what}: a name has no spaces around it, and is in Unicode's normal form C")
    if len(name.encode()) > NAME_LIMIT_BYTES:
        raise Invalid(f"{what}: the name is longer than 64 bytes")
    return name


def printable(text: str) -> str:
    """The text with a replacement sign for each character that a terminal would act on."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def printable_lines(text: str) -> str:
    """As `printable`, but for the ends of lines and tabs, which stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
