"""Files by content: `DATA/artifacts/ab/<sha256>`, each whole and on disk from the moment it has that name."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from twinslot_host.config import IMAGE_LIMIT_BYTES
from twinslot_host.datadir import ARTIFACTS, INCOMING, created, full_disk_told, sync_directory, usable
from twinslot_host.errors import TooLarge


@dataclass(frozen=True)
class Incoming:
    """An upload, or what was made of one, complete and synced under a temporary name."""

    path: Path
    sha256: str
    size_bytes: int


class Artifacts:
    """The artifacts of one data directory."""

    def __init__(self, data: Path) -> None:
        """The folders exist; what earlier, interrupted uploads left is gone. Raises NotADataDir for what is neither."""
        self._root = data / ARTIFACTS
        self._incoming = data / INCOMING
        for folder in (self._root, self._incoming):
            with usable(folder):
                folder.mkdir(mode=0o700, exist_ok=True)
                next(folder.iterdir(), None)  # it is a folder, and can be read
        for left in self._incoming.iterdir():
            with usable(left):
                left.unlink()

    def path(self, sha256: str) -> Path:
        """Where the artifact of that hex digest is, if it is there."""
        return self._root / sha256[:2] / sha256

    def stored(self) -> Iterator[str]:
        """The hex digests of all artifacts."""
        return (file.name for file in self._root.glob("??/*") if file.is_file())

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """A new name for an upload; whatever still has it when the block ends is removed."""
        path = self._incoming / secrets.token_hex(8)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def keep(self, incoming: Incoming) -> None:
        """The artifact has its name, durably. Raises StorageFull.

        Power loss: until the caller's transaction is committed nothing names it; the next start removes it then.
        """
        target = self.path(incoming.sha256)
        with full_disk_told():
            if not target.parent.exists():
                target.parent.mkdir(mode=0o700)
                sync_directory(self._root)
            incoming.path.rename(target)  # CUT: the content was synced before; the name leads to all of it
            sync_directory(target.parent)

    def discard(self, sha256: str) -> None:
        """The artifact is gone. The caller has seen that nothing uses it."""
        self.path(sha256).unlink(missing_ok=True)


def written(path: Path, content: bytes) -> Incoming:
    """The content is in the file, synced. Raises StorageFull when the disk is full."""
    with full_disk_told(), created(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Incoming(path, hashlib.sha256(content).hexdigest(), len(content))


async def receive(path: Path, chunks: AsyncIterator[bytes]) -> Incoming:
    """The chunks are in the file, synced. Raises TooLarge over 16 MiB, StorageFull when the disk is full.

    It writes to the page cache between chunks and waits for the disk once, in a thread, at the end.
    """
    digest = hashlib.sha256()
    size = 0
    with full_disk_told(), created(path) as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > IMAGE_LIMIT_BYTES:
                raise TooLarge(f"image: larger than {IMAGE_LIMIT_BYTES} bytes")
            file.write(chunk)
            digest.update(chunk)
        await _sync(file)
    return Incoming(path, digest.hexdigest(), size)


async def _sync(file: BinaryIO) -> None:
    file.flush()
    await asyncio.to_thread(os.fsync, file.fileno())
