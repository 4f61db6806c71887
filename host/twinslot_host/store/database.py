"""The connections: one that writes, one that reads what was committed."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite

from twinslot_host.errors import NotADataDir, StorageFull
from twinslot_host.store.migrate import check_ours, migrate

Connection = aiosqlite.Connection

_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)


class Database:
    """A database file that is open, migrated, and durable at every commit.

    Power loss: WAL with synchronous=FULL, so a transaction that `write()` has left without an exception is on disk,
    and one that was cut is wholly gone.
    """

    def __init__(self, writer: Connection, reader: Connection) -> None:
        self._writer = writer
        self.reader = reader  # sees what was committed
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path, now_ms: int) -> "Database":
        """The database at `path`, made with mode 0600 when it is not there. Raises NotADataDir when it is damaged."""
        try:
            return await cls._open(path, now_ms)
        except (OSError, sqlite3.DatabaseError) as error:
            told = error.strerror if isinstance(error, OSError) else error
            raise NotADataDir(f"{path} can't be used as the database: {told}; restore it from a backup") from error

    @classmethod
    async def _open(cls, path: Path, now_ms: int) -> "Database":
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        writer = await _connect(path)
        try:
            await check_ours(writer)
            await writer.execute("PRAGMA journal_mode=WAL")
            await writer.execute("PRAGMA synchronous=FULL")
            await writer.execute("PRAGMA foreign_keys=ON")
            await migrate(writer, now_ms)
            reader = await _connect(path)
        except BaseException:
            await writer.close()
            raise
        await reader.execute("PRAGMA query_only=ON")
        return cls(writer, reader)

    async def close(self) -> None:
        """Both connections are closed, and the WAL is folded into the file."""
        await self.reader.close()
        await self._writer.close()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        """One transaction: committed durably when the block ends, gone when it raises or is cancelled.

        Raises StorageFull when the disk is full; nothing was changed then.
        """
        async with self._writing:
            try:
                await self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                await self._writer.commit()
            except BaseException as error:
                await asyncio.shield(self._writer.rollback())
                if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode in _FULL:
                    raise StorageFull("the server's disk is full; nothing was changed") from error
                raise


async def _connect(path: Path) -> Connection:
    db = await aiosqlite.connect(path, isolation_level=None)
    db.row_factory = sqlite3.Row
    await db.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own leaves all but A-Z as it is
    return db


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()
