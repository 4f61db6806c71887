"""esptool, as a process of its own: how a firmware gets into a board's flash."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from twinslot_tools.errors import BadFile, NoDevice
from twinslot_tools.firmware_file import Firmware, plain

BAUD = 460800
_FATAL = re.compile(r"A fatal error occurred: (.*)")
_OTHER_CHIP = "Wrong chip argument"
_ERASING = "Erasing flash memory"


def write(port: str, firmware: Firmware, path: Path, on_line: Callable[[str], None]) -> None:
    """The board at `port` has the firmware in a flash that was erased before, and was reset.

    `on_line` is given what esptool prints. Raises `BadFile` when the firmware is for another chip than the board's,
    `NoDevice` when the board can't be reached or written.
    """
    board = ["--port", port, "--chip", plain(firmware.chip_name), "--baud", str(BAUD)]
    lines: list[str] = []
    # In a session of its own: Ctrl-C at the terminal ends the command, which ends esptool.
    process = subprocess.Popen(
        [sys.executable, "-m", "esptool", *board, "write-flash", "--erase-all", hex(firmware.flash_offset), str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "COLUMNS": "100", "PYTHONUNBUFFERED": "1"},
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    with process:
        try:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                on_line(lines[-1])
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise _failure(port, firmware, path, "\n".join(lines))


def _failure(port: str, firmware: Firmware, path: Path, said: str) -> BadFile | NoDevice:
    fatal = _FATAL.search(said)
    reason = fatal[1] if fatal else "esptool ended without a reason"
    if _OTHER_CHIP in reason:
        return BadFile(
            f"{path} is for an {firmware.chip_name}, and the board at {port} is none: {reason} "
            "Nothing was written; get the build for this board"
        )
    if _ERASING in said:
        return NoDevice(
            f"the board at {port} was erased, and writing it failed: {reason}. It has no firmware now: run this again"
        )
    return NoDevice(
        f"no board could be written at {port}: {reason}. Is this its port, is the cable one for data, and does no "
        "other program use the port? Some boards want their BOOT button held until the writing begins"
    )
