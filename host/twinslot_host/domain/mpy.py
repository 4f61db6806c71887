"""Formats of `.mpy` files, as `sys.implementation._mpy` has them (MicroPython, py/persistentcode.c), and versions of
MicroPython.

A format is 16 bits: the version in bits 0 to 7, in bits 8 and 9 the sub-version, and the architecture of native code,
0 for none, in bits 10 to 15.
"""

import re

MicroPython = tuple[int, int, int]  # a version's numbers

_TEXT = re.compile(r"(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})", re.ASCII)
_PART_LIMIT = 255
_ARCHITECTURES = (
    "bytecode",
    "x86",
    "x64",
    "armv6",
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
    "rv64imc",
)


def fits(needed: int, board: int) -> bool:
    """Whether a board of the one format loads files of the other; 0 is needed where any will do."""
    if needed == 0:
        return True
    return needed & 0xFF == board & 0xFF and (needed >> 10 == 0 or needed >> 8 == board >> 8)


def named(mpy: int) -> str:
    """The format as people call it, such as 6.3 xtensawin."""
    architecture = mpy >> 10
    name = _ARCHITECTURES[architecture] if architecture < len(_ARCHITECTURES) else f"architecture {architecture}"
    return f"{mpy & 0xFF}.{mpy >> 8 & 3} {name}"


def version(text: str) -> MicroPython | None:
    """The three numbers of a version of MicroPython such as 1.26.0, each at most 255; None when it is none."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    major, minor, micro = (int(part) for part in found.groups())
    return (major, minor, micro) if max(major, minor, micro) <= _PART_LIMIT else None


def version_text(numbers: MicroPython) -> str:
    """The version as people write it."""
    return ".".join(map(str, numbers))
