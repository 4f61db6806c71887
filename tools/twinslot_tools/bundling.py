"""From the folder of an application to a bundle: what `twinslot publish` uploads, the same bytes for the same files.

A `.tar.gz` of `bundle.json`, which says what the bundle needs and lists its files, and of these as `files/<path>`.
"""

import ast
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twinslot_tools import manifests
from twinslot_tools.board_files import compiled
from twinslot_tools.bundle_folder import IGNORE_FILE, files_in
from twinslot_tools.errors import BadFile
from twinslot_tools.firmware_file import XTENSA
from twinslot_tools.manifests import BundleFacts

CONFIG_NAME = "twinslot.json"
_KEY_MARK = b"PRIVATE KEY-----"
_MPY_MAGIC = b"M"
_MPY_HEADER_BYTES = 4
_ADVICE = {
    "main": "the board has its own main.py, which starts the application: call yours app.py, with a `main()` in it",
    "boot": "the board's boot.py ends the trial of what hangs, so no update replaces it: move the code into app.py",
    "twinslot": "the device package is put on a board by `twinslot provision` alone: leave it out, or rename it",
}
"""The module that no board takes → why, and what to do."""
_NOT_FOR_THE_BOARD = f"Name what is not for the board in {IGNORE_FILE}"
_NO_ARCHITECTURE = "invalid arch"  # says mpy-cross
_NATIVE = "; native code is for one kind of chip: give --chip"


@dataclass(frozen=True)
class BundledFile:
    """A file as a board gets it; `source` is the one that it was made of, by its path in the folder."""

    path: str
    content: bytes
    source: str

    @property
    def is_compiled(self) -> bool:
        """Whether it was compiled here."""
        return self.path != self.source


@dataclass(frozen=True)
class Bundle:
    """`data` is the file to publish, `facts` what its manifest will say, `files` in their order there; `has_main` is
    false when a board would find no `main()` in its module `app`."""

    data: bytes
    facts: BundleFacts
    files: tuple[BundledFile, ...]
    has_main: bool

    @property
    def has_app(self) -> bool:
        """Whether it brings the module `app`, which a board's main.py starts."""
        return any(file.path in ("app.py", "app.mpy") or file.path.startswith("app/") for file in self.files)

    @property
    def has_lib(self) -> bool:
        """Whether it brings modules in lib/, where a board does not look for them."""
        return any(file.path.startswith("lib/") and file.path.endswith((".py", ".mpy")) for file in self.files)


def bundle_of(
    folder: Path, *, chip: int | None, micropython: str | None, security_version: int, keeps_source: bool
) -> Bundle:
    """The bundle of the folder's files; with `keeps_source` its `.py` stay what they are, else they are compiled.

    Raises `BadFile` for what no board takes, or should get.
    """
    sources = files_in(folder)
    if not sources:
        raise BadFile(f"{folder} has no files for a bundle")
    _check(folder, sources, keeps_source=keeps_source)
    architecture = None if chip is None else "xtensawin" if chip in XTENSA else "rv32imc"
    bundled = (_bundled(name, path, architecture, keeps_source=keeps_source) for name, path in sources.items())
    files = tuple(sorted(bundled, key=lambda file: file.path))
    description = {
        "format": 1,
        "chip": chip,
        "mpy": _mpy_of(folder, files),
        "micropython": micropython,
        "security_version": security_version,
        "files": [
            {"path": file.path, "size": len(file.content), "sha256": hashlib.sha256(file.content).hexdigest()}
            for file in files
        ],
    }
    data = _archive(json.dumps(description, separators=(",", ":")).encode(), files)
    return Bundle(data, manifests.bundle_facts(folder, data), files, _has_main(sources))


def _check(folder: Path, sources: Mapping[str, Path], *, keeps_source: bool) -> None:
    """Nothing is among them that no board takes, or should get; raises `BadFile`."""
    names = [name if keeps_source else _compiled(name) for name in sources]
    manifests.check_size(folder, names, f". {_NOT_FOR_THE_BOARD}")
    size_bytes = sum(path.stat().st_size for path in sources.values())
    if size_bytes > manifests.CONTENT_LIMIT_BYTES:
        raise BadFile(
            f"{folder}: its files have {size_bytes} bytes, and those of a bundle up to "
            f"{manifests.CONTENT_LIMIT_BYTES}. {_NOT_FOR_THE_BOARD}"
        )
    for name, path in sources.items():
        if path.name == CONFIG_NAME:
            raise BadFile(f"{path} is a board's configuration, with its key, and belongs to that board: remove it")
        if advice := _ADVICE.get(manifests.module(name)):
            raise BadFile(f"{path} is for no bundle: {advice}")
        manifests.check_path(path, name)
        if name.endswith(".py") and _compiled(name) in sources:
            raise BadFile(f"{path} lies beside {name[:-3]}.mpy, and a board would run one of them: remove the other")
    manifests.check_apart(folder, list(sources))
    _check_app(folder, sources)


def _compiled(name: str) -> str:
    """The name that a file has in a bundle once it is compiled, if it is."""
    return f"{name[:-3]}.mpy" if name.endswith(".py") else name


def _check_app(folder: Path, sources: Mapping[str, Path]) -> None:
    """What lies there of the module `app` is what a board imports by that name; raises `BadFile`."""
    if not any(name.startswith("app/") for name in sources):
        return
    if file := next((name for name in ("app.py", "app.mpy") if name in sources), None):
        raise BadFile(
            f"{folder / file} lies beside app/, and a board would import that folder: remove one, or rename it"
        )
    if not sources.keys() & {"app/__init__.py", "app/__init__.mpy"}:
        raise BadFile(f"{folder / 'app'} has no __init__.py: that is where the module `app` has its `main()`")


def _has_main(sources: Mapping[str, Path]) -> bool:
    """Whether the module `app` has a `main` that a board can call, by all that its source tells."""
    path = sources.get("app.py") or sources.get("app/__init__.py")
    if path is None:
        return True
    try:
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
    except (SyntaxError, ValueError):  # only CPython says so: mpy-cross has compiled it
        return True
    bound = {each.asname or each.name for node in nodes if isinstance(node, ast.ImportFrom) for each in node.names}
    bound |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return bool(bound & {"main", "*"})


def _bundled(name: str, path: Path, architecture: str | None, *, keeps_source: bool) -> BundledFile:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadFile(f"can't read {path}: {error.strerror}") from error
    if _KEY_MARK in content:
        raise BadFile(f"{path} holds a private key, which no board may have: keep it elsewhere")
    if not name.endswith(".py"):
        return BundledFile(name, content, name)
    try:
        made = compiled(path, name, architecture)
    except BadFile as error:
        raise BadFile(f"{error}{_NATIVE if _NO_ARCHITECTURE in str(error) else ''}") from error
    return BundledFile(name, content, name) if keeps_source else BundledFile(_compiled(name), made, name)


def _mpy_of(folder: Path, files: Sequence[BundledFile]) -> int:
    """The format that a board needs to load all of the `.mpy`, 0 without any; raises `BadFile` when none will do."""
    needed, needed_by = 0, ""
    for file in files:
        if not file.path.endswith(".mpy"):
            continue
        if not file.content.startswith(_MPY_MAGIC) or len(file.content) < _MPY_HEADER_BYTES:
            raise BadFile(f"{folder / file.source} is no .mpy file of MicroPython: make it anew with mpy-cross")
        own = file.content[1] | file.content[2] << 8
        if needed and not (manifests.mpy_fits(own, needed) or manifests.mpy_fits(needed, own)):
            raise BadFile(
                f"{folder}: {needed_by} is of the .mpy format {manifests.mpy_named(needed)}, and {file.source} of "
                f"{manifests.mpy_named(own)}: no board loads both. Make them with the same mpy-cross, for the same chip"
            )
        if not needed or manifests.mpy_fits(needed, own):
            needed, needed_by = own, file.source
    return needed


def _archive(description: bytes, files: Sequence[BundledFile]) -> bytes:
    out = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for name, content in [("bundle.json", description), *((f"files/{file.path}", file.content) for file in files)]:
            member = tarfile.TarInfo(name)  # of nobody, of 1970, with mode 0644
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()
