"""From files on this machine to a package on the server."""

import json
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp

from twinslot_tools import shapes
from twinslot_tools.client import api, call, session
from twinslot_tools.errors import BadFile
from twinslot_tools.uploading import OnSent, append_part, opened

PACKAGE_JSON = "package.json"
FILES_LIMIT = 64
LIMIT_BYTES = 1 << 20
PATH_LIMIT = 128

_LEFT_OUT = "__pycache__"
_PATH = re.compile(r"[ -~]+")


def files_at(path: Path) -> dict[str, Path]:
    """What goes into a package, by the path in it: the file, what a `package.json` names, or all that the folder holds.

    A folder's `package.json` counts in place of what else is there; hidden files and `__pycache__` are left out.
    Raises `BadFile`.
    """
    listed = path / PACKAGE_JSON if path.is_dir() else path
    if listed.name == PACKAGE_JSON and listed.is_file():
        found = _listed(listed)
    elif path.is_dir():
        found = {part.relative_to(path).as_posix(): part for part in sorted(path.rglob("*")) if _counts(path, part)}
    else:
        found = {path.name: path}
    return _checked(path, found)


def size_bytes(files: Mapping[str, Path]) -> int:
    """What the files have together."""
    return sum(file.stat().st_size for file in files.values())


async def upload(
    server: str, token: str, name: str, version: str, files: Mapping[str, Path], on_sent: OnSent
) -> dict[str, Any]:
    """The package is on the server, durably; returns what the server says of it. Raises `BadFile`, `ServerRefused`."""
    with ExitStack() as open_files, aiohttp.MultipartWriter("form-data") as body:
        append_part(body, "package", json.dumps({"name": name, "version": version}), "application/json")
        for path, source in files.items():
            file = open_files.enter_context(opened(source, on_sent))
            append_part(body, "file", file, "application/octet-stream", path, quoted=False)
        async with session(server, token) as http:
            made: dict[str, Any] = await call(http, "POST", api(server, "/packages"), shapes.PACKAGE, data=body)
            return made


def _counts(folder: Path, part: Path) -> bool:
    names = part.relative_to(folder).parts
    return part.is_file() and not any(name.startswith(".") or name == _LEFT_OUT for name in names)


def _listed(package_json: Path) -> dict[str, Path]:
    """The files that a `package.json` of mip's form names, all of which lie beside it."""
    try:
        told = json.loads(package_json.read_bytes())
        pairs = {str(target): str(source) for target, source in told["urls"]}
        others = told.get("hashes") or told.get("deps")
    except OSError as error:
        raise BadFile(f"can't read {package_json}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BadFile(f'{package_json} has no "urls" as mip knows them: [[path in the package, file], ...]') from None
    if others:
        raise BadFile(f'{package_json} names what lies elsewhere, in "hashes" or "deps": put those files beside it')
    folder = package_json.parent.resolve()
    for source in pairs.values():
        if ":" in source or not (folder / source).resolve().is_relative_to(folder):
            raise BadFile(f"{package_json} names {source!r}, which is no file beside it: download it there first")
    return {target: folder / source for target, source in pairs.items()}


def _checked(path: Path, found: dict[str, Path]) -> dict[str, Path]:
    for target, source in found.items():
        if len(target) > PATH_LIMIT or not _PATH.fullmatch(target) or set('"\\;') & set(target):
            raise BadFile(f"{target!r} is no path for a board: up to {PATH_LIMIT} plain ASCII characters; rename it")
        if not source.is_file():
            raise BadFile(f"can't read {source}: no such file")
    if not 0 < len(found) <= FILES_LIMIT:
        raise BadFile(f"{path}: a package has 1 to {FILES_LIMIT} files, and here are {len(found)}")
    if size_bytes(found) > LIMIT_BYTES:
        raise BadFile(f"{path}: the files of a package have up to {LIMIT_BYTES} bytes, and these {size_bytes(found)}")
    return found
