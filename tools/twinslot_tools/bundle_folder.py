"""The folder that a bundle is made of: which of its files belong to the application."""

from collections.abc import Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

from twinslot_tools.errors import BadFile

IGNORE_FILE = ".twinslotignore"
NEVER = frozenset({".git", ".hg", ".svn", "__pycache__"})


def files_in(folder: Path) -> dict[str, Path]:
    """The folder's files by their paths in it, without those that its `.twinslotignore` names, in gitignore's syntax.

    Folders of version control and `__pycache__` are left out. Raises `BadFile` for what is no file, such as a link.
    """
    return dict(_found(folder, folder, _ignored(folder / IGNORE_FILE)))


def _ignored(path: Path) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8-sig").splitlines())
    except FileNotFoundError:
        return GitIgnoreSpec(())
    except OSError as error:
        raise BadFile(f"can't read {path}: {error.strerror}") from error
    except ValueError as error:  # no UTF-8, or a pattern that is none
        raise BadFile(f"{path} is no list of patterns as .gitignore has them: {error}") from error


def _found(root: Path, folder: Path, ignored: GitIgnoreSpec) -> Iterator[tuple[str, Path]]:
    try:
        there = sorted(folder.iterdir())
    except OSError as error:
        raise BadFile(f"can't read {folder}: {error.strerror}; DIR is the folder of an application") from error
    for path in there:
        name = path.relative_to(root).as_posix()
        is_folder = path.is_dir() and not path.is_symlink()
        if path.name in NEVER or name == IGNORE_FILE or ignored.match_file(name + "/" if is_folder else name):
            continue
        if path.name == IGNORE_FILE:
            raise BadFile(f"{path}: only the one in {root} counts; move its patterns there")
        if is_folder:
            yield from _found(root, path, ignored)
        elif path.is_symlink() or not path.is_file():
            what = "a link" if path.is_symlink() else "no ordinary file"
            raise BadFile(f"{path} is {what}, and a bundle has files alone: copy it there, or name it in {IGNORE_FILE}")
        else:
            yield name, path
