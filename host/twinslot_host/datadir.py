"""The data directory: private, held by one server at a time, with the secrets that outlive a restart.

| file | holds |
| --- | --- |
| `lock` | nothing; locked while a server runs |
| `first-start` | nothing; there until the first start has made all of this |
| `twinslot.db` | the store |
| `jwt.key`, `nonce.key`, `link.key` | 32 random bytes each, in hex |
| `signing.pem` | the server's RSA-3072 private key |
| `artifacts/ab/<sha256>` | files of releases and packages, and transfers, by content |
| `incoming/` | uploads and transfers that are not finished; emptied at start |
"""

import errno
import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from twinslot_host.errors import DataDirInUse, NotADataDir, StorageFull

DATABASE = "twinslot.db"
JWT_KEY = "jwt.key"
NONCE_KEY = "nonce.key"
LINK_KEY = "link.key"
SIGNING_KEY = "signing.pem"
ARTIFACTS = "artifacts"
INCOMING = "incoming"
FIRST_START = "first-start"

_LOCK = "lock"
_MADE_ONCE = (JWT_KEY, NONCE_KEY, LINK_KEY, SIGNING_KEY)
_OURS = frozenset(
    (
        *(_LOCK, FIRST_START, ARTIFACTS, INCOMING, *_MADE_ONCE),
        *(f"{name}.new" for name in _MADE_ONCE),
        *(DATABASE + end for end in ("", "-wal", "-shm", "-journal")),
    )
)
_SECRET = re.compile(rb"[0-9a-f]{64}")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def held(data: Path) -> Iterator[None]:
    """The directory exists, is private, and no other server uses it until the block ends.

    Raises DataDirInUse when another server holds it, NotADataDir when it can't be made or used, or holds other things.
    """
    try:
        _claim(data)
        lock = os.open(data / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NotADataDir(f"{data} can't be used as a data directory: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirInUse(
                f"another server is running on {data}; stop it first, or give this one another --data"
            ) from None
        yield
    finally:
        os.close(lock)


def secret(data: Path, name: str) -> bytes:
    """The 32 bytes of that name, made when they are not there yet. Raises NotADataDir when the file is damaged."""
    return _checked(data / name, kept(data / name, lambda: secrets.token_hex(32).encode()))


def existing_secret(data: Path, name: str) -> bytes:
    """The 32 bytes of that name. Raises NotADataDir when no server has made them, or the file is damaged."""
    try:
        with usable(data / name):
            return _checked(data / name, (data / name).read_bytes())
    except FileNotFoundError:
        raise NotADataDir(f"{data} is no data directory; run `twinslot serve --data {data}` first") from None


def kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """The file's content, which `make` gives when the file is not there yet; mode 0600, durable.

    Raises NotADataDir when it can't be read. Power loss: the file appears whole or not at all.
    """
    try:
        with usable(path):
            return path.read_bytes()
    except FileNotFoundError:
        content = make()
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with created(temporary) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)  # CUT: before this the next start makes another one; nobody has seen this one
    sync_directory(path.parent)
    return content


def created(path: Path) -> BinaryIO:
    """A new file of mode 0600, open for writing. Raises FileExistsError."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb")


def sync_directory(path: Path) -> None:
    """The names in the directory are on disk."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def full_disk_told() -> Iterator[None]:
    """An OSError that says the disk, a quota or a file-size limit is reached leaves the block as StorageFull."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("the server's disk is full; nothing was changed") from error
        raise


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """An OSError that tells of a damaged data directory leaves the block as NotADataDir; a missing file does not."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NotADataDir(
            f"{error.filename or path} can't be used: {error.strerror}; restore it from a backup"
        ) from error


def _claim(data: Path) -> None:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = {path.name for path in data.iterdir()}
    if names <= _OURS:
        data.chmod(0o700)  # never that of a folder which holds someone else's files
    elif DATABASE not in names:
        raise NotADataDir(f"{data} holds other files and no server's; give --data an empty folder or a new name")


def _checked(path: Path, content: bytes) -> bytes:
    if not _SECRET.fullmatch(content):
        raise NotADataDir(
            f"{path} is damaged: it holds 64 hex digits and nothing else; restore it from a backup,"
            " or remove it, and what was made with it is void"
        )
    return bytes.fromhex(content.decode())
