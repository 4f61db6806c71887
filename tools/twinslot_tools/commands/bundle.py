"""`twinslot bundle`."""

import hashlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from twinslot_tools import bundling, manifests
from twinslot_tools.bundling import Bundle
from twinslot_tools.errors import UsageError
from twinslot_tools.firmware_file import CHIPS, plain
from twinslot_tools.new_files import NewFile, check_new, write_new
from twinslot_tools.options import Json
from twinslot_tools.output import print_facts, print_json, print_table, printable, say

CHIP_IDS = {plain(name): number for number, (name, _) in CHIPS.items()}


def bundle(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The application: `app.py` or `app/`, and its files.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the bundle goes: a new file. [default: DIR's name and `.tar.gz`]"),
    ] = None,
    chip: Annotated[
        str | None,
        typer.Option(
            metavar="CHIP",
            help="The only chip that it is for, such as esp32s3; a .py with native code needs one. [default: any]",
        ),
    ] = None,
    micropython: Annotated[
        str | None,
        typer.Option(metavar="V", help="The oldest MicroPython that it runs on, such as 1.26. [default: any]"),
    ] = None,
    security_version: Annotated[
        int,
        typer.Option(min=0, max=0xFFFFFFFF, metavar="N", help="Devices that confirm it take nothing below N later."),
    ] = 0,
    source: Annotated[
        bool, typer.Option("--source", help="Leave `.py` files as they are; else they are compiled to `.mpy`.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a bundle of DIR's files: a release for `twinslot publish` that replaces an application, and no firmware.

    A board gets only the files that it lacks, switches from the old ones to the new ones at once, and goes back when
    they fail. It runs `main()` of the module `app`. What the application writes itself belongs elsewhere, such as
    /data: that stays through updates.

    Left out are what DIR's `.twinslotignore` names, in the syntax of .gitignore, and, unless a line in it with `!`
    brings them back, `__pycache__` and names that begin with a dot. The same files make the same bundle, to the byte.
    """
    target = out or Path(f"{folder.resolve().name}.tar.gz")
    if target.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{target} lies in {folder}, so it would be in the next bundle: give another --out FILE")
    check_new(target)
    made = bundling.bundle_of(
        folder,
        chip=None if chip is None else _chip_id(chip),
        micropython=None if micropython is None else _micropython(micropython),
        security_version=security_version,
        keeps_source=source,
    )
    write_new(NewFile(target, made.data))
    if not made.has_app:
        say(f"twinslot: {printable(str(folder))} brings no app.py and no app/: the board's own `app` runs", sys.stderr)
    if not made.has_main:
        say(
            "twinslot: the module `app` has no `def main()`, which a board calls: the trial would end as a crash",
            sys.stderr,
        )
    if made.has_lib:
        say("twinslot: `import NAME` does not look in a bundle's lib/: `import lib.NAME`, or move it up", sys.stderr)
    _tell(target, made, json=json)


def _tell(target: Path, made: Bundle, *, json: bool) -> None:
    facts = {
        "file": str(target),
        "size": len(made.data),
        "files_size": sum(len(file.content) for file in made.files),
        "list_sha256": made.facts.sha256.hex(),
        "chip": made.facts.only_chip,
        "mpy": made.facts.mpy,
        "micropython": made.facts.micropython_version,
        "security_version": made.facts.security_version,
    }
    if json:
        files = [
            {
                "path": file.path,
                "size": len(file.content),
                "sha256": hashlib.sha256(file.content).hexdigest(),
                "source": file.source,
                "compiled": file.is_compiled,
            }
            for file in made.files
        ]
        print_json({**facts, "files": files})
        return
    rows = [[f.path, len(f.content), f"{f.source}, compiled" if f.is_compiled else f.source] for f in made.files]
    print_table("files", ("path", "bytes", "from"), rows, "")
    words = manifests.in_words(facts)
    print_facts("bundle", {name: "any" if value is None else value for name, value in words.items()})


def _chip_id(name: str) -> int:
    if plain(name) not in CHIP_IDS:
        raise UsageError(f"{name!r} is no chip that is known here: {', '.join(CHIP_IDS)}")
    return CHIP_IDS[plain(name)]


def _micropython(text: str) -> str:
    version = manifests.micropython_version(text)
    if version is None:
        raise UsageError(f"{text!r} is no version of MicroPython such as 1.26 or 1.26.1")
    return version
