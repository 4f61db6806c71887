"""The folder that a bundle is made of: which of its files belong to the application."""

import re
from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

from twinslot_tools.errors import BadFile

IGNORE_FILE = ".twinslotignore"
_FIRST = (".*", "__pycache__/")
"""Patterns before those of the file, whose `!` brings back what they leave out."""


def files_in(folder: Path) -> dict[str, Path]:
    """The folder's files by their paths in it, without those that its `.twinslotignore` names, in gitignore's syntax.

    `__pycache__`, and what begins with a dot, is left out unless that brings it back. Raises `BadFile` for what is no
    file, such as a link.
    """
    if not folder.is_dir():
        raise BadFile(f"{folder} is no folder: DIR is the folder of an application's files")
    return dict(_found(folder, folder, _ignored(folder / IGNORE_FILE)))


def _ignored(path: Path) -> GitIgnoreSpec:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        lines = []
    except OSError as error:
        raise BadFile(f"can't read {path}: {error.strerror}") from error
    except ValueError as error:
        raise BadFile(f"{path} is no text in UTF-8: {error}") from error
    for number, line in enumerate(lines, start=1):
        try:
            GitIgnoreSpec.from_lines([line])
        except (ValueError, re.error) as error:
            raise BadFile(f"{path}: line {number}, {line!r}, is no pattern as .gitignore has them: {error}") from error
    return GitIgnoreSpec.from_lines([*_FIRST, *lines])


def _found(root: Path, folder: Path, ignored: GitIgnoreSpec) -> Iterator[tuple[str, Path]]:
    try:
        there = sorted(folder.iterdir())
    except OSError as error:
        raise BadFile(f"can't read {folder}: {error.strerror}") from error
    for path in there:
        name = path.relative_to(root).as_posix()
        is_folder = path.is_dir() and not path.is_symlink()
        if path.name == IGNORE_FILE and folder != root:
            raise BadFile(f"{path}: only the one in {root} counts; move its patterns there")
        if name == IGNORE_FILE or ignored.match_file(name + "/" if is_folder else name):
            continue
        if is_folder:
            yield from _found(root, path, ignored)
        elif path.is_symlink() or not path.is_file():
            what = "a link" if path.is_symlink() else "no ordinary file"
            raise BadFile(f"{path} is {what}, and a bundle has files alone: copy it there, or name it in {IGNORE_FILE}")
        else:
            yield name, path
