"""Files that a command writes where its `--out` says: new ones, all of them whole, or none."""

import os
from dataclasses import dataclass
from pathlib import Path

from twinslot_tools.errors import BadFile, UsageError


@dataclass(frozen=True)
class NewFile:
    """What is to lie at a path, and who may read it."""

    path: Path
    data: bytes
    mode: int = 0o644


def beside(out: Path, ending: str, example: str) -> Path:
    """Where the second file goes; nothing lies there or at `out`.

    Raises `UsageError` when `out` is a folder, in which the example would be a file, and `BadFile` when either exists.
    """
    if out.name in ("", "..") or os.path.isdir(out):  # noqa: PTH112 - it has no error for a name that is too long
        raise UsageError(f"{out} is a folder: --out is the name of a new file, such as {example}")
    second = out.with_name(out.name + ending)
    check_new(out, second)
    return second


def check_new(*paths: Path) -> None:
    """Nothing lies at any of the paths, not even a link to nowhere; raises `BadFile`."""
    for path in paths:
        if os.path.lexists(path):
            raise BadFile(f"{path} exists, and is never overwritten: choose another --out")


def write_new(*files: NewFile) -> None:
    """The files are there, synced, as are their names. When this fails nothing of them is left: raises `BadFile`, also
    when something was there before."""
    written: list[Path] = []
    try:
        for file in files:
            _write(file)
            written.append(file.path)
        for folder in {path.parent for path in written}:
            _sync(folder)
    except BaseException:
        for path in written:
            path.unlink()
        raise


def _write(new: NewFile) -> None:
    try:
        descriptor = os.open(new.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, new.mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(new.data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            new.path.unlink()
            raise
    except OSError as error:
        raise BadFile(f"can't write {new.path}: {error.strerror}") from error


def _sync(folder: Path) -> None:
    """The names in the folder are on disk."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BadFile(f"can't write {folder}: {error.strerror}") from error
