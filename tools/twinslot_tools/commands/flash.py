"""`twinslot flash`."""

import shutil
import sys
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from twinslot_tools import esptool_writer, firmware_file, first_prompt
from twinslot_tools.board_port import BoardPort
from twinslot_tools.errors import BadFile
from twinslot_tools.firmware_file import Firmware
from twinslot_tools.options import Json, run
from twinslot_tools.output import print_facts, print_json, printable, written

Port = Annotated[str, typer.Option("--port", metavar="PORT", help="The board's serial port, such as /dev/ttyUSB0.")]


def flash(
    port: Port,
    file: Annotated[
        Path, typer.Option("--firmware", metavar="FILE", help="The combined .bin from micropython.org/download.")
    ],
    one_slot: Annotated[
        bool,
        typer.Option(
            "--one-slot",
            help="Write a build without two app slots too: it takes bundles over the air, but never firmware.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Erase a board and write MicroPython to it.

    FILE is checked, and shown, before anything is written. **All that is in the board's flash is erased**, its files
    too. Updates of the firmware over the air need a build with two app slots: on micropython.org, a board's file with
    `-OTA-` in its name.
    """
    firmware = firmware_file.read(file)
    facts = _facts(file, firmware)
    if not json:
        print_facts(str(file), {**facts, "partitions": _rows(firmware)})
    if not firmware.has_two_slots and not one_slot:
        raise BadFile(_one_slot(file))
    board = BoardPort(port)
    board.check()

    def say(line: str) -> None:
        _say(line, sys.stderr if json else sys.stdout)

    say(f"erasing all that is in the flash of the board at {port}, its files too, and writing {file}")
    esptool_writer.write(port, firmware, file, say)
    say("waiting for MicroPython's prompt")
    answer = run(first_prompt.wait(board))["version"]
    if json:
        print_json({**facts, "partitions": _documents(firmware), "port": port, "answers": f"MicroPython {answer}"})
    else:
        say(f"the board answers: MicroPython {answer}")
        say(f"next: twinslot provision --port {port} --group ID")


def _say(line: str, stream: IO[str]) -> None:
    """`line` is on `stream`; on a terminal, esptool's progress stays in one line."""
    shown, end = printable(line), "\n"
    if stream.isatty() and "%" in line and "100.0%" not in line:
        shown, end = shown[: shutil.get_terminal_size().columns - 1], "\r"
    with written(stream):
        print(shown, end=end, file=stream, flush=True)


def _facts(file: Path, firmware: Firmware) -> dict[str, Any]:
    return {
        "file": str(file),
        "chip": firmware.chip_name,
        "project": firmware.project,
        "version": firmware.version,
        "flash_offset": firmware.flash_offset,
        "app_size": firmware.app_size,
        "slots": len(firmware.slots),
        "slot_size": min(slot.size for slot in firmware.slots),
    }


def _documents(firmware: Firmware) -> list[dict[str, Any]]:
    return [{"label": row.label, "offset": row.offset, "size": row.size} for row in firmware.table]


def _rows(firmware: Firmware) -> list[str]:
    return [f"{row.label} {row.size} at {row.offset:#x}" for row in firmware.table]


def _one_slot(file: Path) -> str:
    return (
        f"{file} has one app slot, and firmware goes to a second one. A board with it can get bundles of files and "
        "packages over the air, but never firmware: that would take a cable. "
        f"The build with two slots has -OTA- in its name: {firmware_file.download_page(file)}. "
        "Where that page has none, docs/getting-started.md tells how to build one. "
        "If this is the build that you want, add --one-slot"
    )
