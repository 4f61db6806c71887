"""One simulator for each flash file: a lock that the operating system takes back when its process dies."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from twinslot_sim.nor import FlashFileError


class FlashInUse(FlashFileError):
    """Another simulator runs this flash: stop it, or take another file."""


def locked(flash: Path) -> BinaryIO:
    """An open file that is the lock on `flash`: no other process runs this flash until it is closed.

    Raises FlashInUse when another holds it, FlashFileError when there is no such file.
    """
    try:
        lock = flash.open("r+b")
    except OSError as error:
        raise FlashFileError(f"the flash file {flash} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise _in_use(flash) from None
    return lock


def made(flash: Path, make: Callable[[], object]) -> BinaryIO:
    """The lock on `flash`, which was not there and which `make` has made.

    Raises FlashInUse when another simulator was faster, and what `make` raises. Waits while a flash is being made in
    the same folder, whose lock keeps two makers apart.
    """
    try:
        folder = os.open(flash.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise FlashFileError(f"the flash file {flash} can't be written: {error.strerror}") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if flash.exists():
            raise _in_use(flash)
        make()
        return locked(flash)
    finally:
        os.close(folder)


def _in_use(flash: Path) -> FlashInUse:
    return FlashInUse(f"another simulator runs this flash: {flash}. Stop it, or give another --flash")
