"""How packages are installed and removed. Loaded with such an operation, and gone when its outcome is told.

Power loss: see `folders`. A package is the old one or the new one, whole; what an operation left unfinished is removed
by the next.
"""

import asyncio
import gc
from binascii import hexlify
from hashlib import sha256

from micropython import const

from . import folders, mip, packages
from .document import Document
from .errors import PackageError, TransferError, Unreachable

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .http import Answer, Stream
    from .index import Index

    Fetch = Callable[..., Awaitable[tuple[Stream, Answer]]]  # a Fetcher's `open`
    Progress = Callable[[int], object]
    Say = Callable[[str], object]

_PIECE = const(1024)
_DOCUMENT_MAX_BYTES = const(32768)
_DOCUMENT_PIECE = const(512)


async def install(fetch: "Fetch", order: dict, progress: "Progress", say: "Say") -> None:
    """As `packages.install`."""
    gc.collect()
    try:
        await _Installation(fetch, progress, say).run(order)
    except (TransferError, Unreachable) as error:
        raise PackageError(str(error))
    except OSError as error:
        raise PackageError("the file system: {}".format(error))


def uninstall(name: str, version: str, again: bool) -> None:
    """As `packages.uninstall`. A package that was only downloaded is forgotten."""
    store = folders.Folders(packages.ROOT, memoryview(bytearray(0)))
    try:
        _clear(store)
        entries = store.entries()
        mine = {key: entry["version"] for key, entry in entries.items() if key.rstrip(packages.STAGED) == name}
        if version in mine.values():
            left = {key: entry for key, entry in entries.items() if mine.get(key) != version}
            store.switch(folders.encode(left))
            packages.add_to_path()
            _clear(store)
        elif not again:
            has = ": {} is".format(mine[name]) if name in mine else ""
            raise PackageError("{} {} is not installed{}".format(name, version, has))
    except OSError as error:
        raise PackageError("the file system: {}".format(error))


def _clear(store: folders.Folders) -> None:
    """What the index does not name is gone; when flash does not let go of it, the next operation tries again."""
    try:
        for _ in store.sweep_unnamed(store.entries()):
            pass
    except OSError:
        pass


class _Installation:
    def __init__(self, fetch: "Fetch", progress: "Progress", say: "Say") -> None:
        self._fetch = fetch
        self._progress = progress
        self._say = say
        self._store = folders.Folders(packages.ROOT, memoryview(bytearray(_PIECE)))
        self._total = 0
        self._done = 0

    async def run(self, order: dict) -> None:
        name, version = mip.checked_name(order["name"]), mip.checked_name(order["version"])
        entries = self._store.entries()
        await self._sweep(entries)
        plan = await self._plan(order["uri"], order.get("sha256") or "")
        staged, installed = entries.pop(name + packages.STAGED, {}), entries.get(name, {})
        folder = await self._lying(staged, version, plan) or await self._lying(installed, version, plan)
        if staged and not folder:
            self._store.switch(folders.encode(entries))  # its room is needed
            await self._sweep(entries)
        entry: dict = {"version": version, "folder": folder or folders.unused(entries, name, version)}
        entry["modules"] = plan.modules()
        entry["files"] = plan.digest()
        changed = dict(entries)
        changed[name if order.get("install", True) else name + packages.STAGED] = entry
        data = folders.encode(changed)
        try:
            if not folder:
                await self._fill(entry["folder"], plan)
            self._store.switch(data)
        except BaseException:
            _clear(self._store)
            raise
        packages.add_to_path()
        try:
            await self._sweep(changed)
        except (OSError, asyncio.CancelledError):
            pass  # it is installed; the next operation sweeps again

    async def _sweep(self, entries: "Index") -> None:
        for _ in self._store.sweep_unnamed(entries):
            await asyncio.sleep(0)

    async def _plan(self, uri: str, sha256: str) -> mip.Plan:
        """What there is to fetch. Nothing has been written for it."""
        plan = mip.Plan(uri, sha256)
        while plan.unread:
            await self._read(plan, *plan.unread.pop())
        plan.check()
        gc.collect()
        return plan

    async def _read(self, plan: mip.Plan, uri: str, branch: str, start: str) -> None:
        """The package.json at `uri`, whose SHA-256 begins with `start`, is part of the plan."""
        stream, answer = await self._answer("package.json", uri)
        document, digest, piece = Document(), sha256(), memoryview(bytearray(_DOCUMENT_PIECE))
        try:
            if answer.length > _DOCUMENT_MAX_BYTES:
                raise PackageError("package.json: {} bytes".format(answer.length))
            while True:
                n = await answer.readinto(piece)
                if not n:
                    break
                digest.update(piece[:n])
                for part in document.add(piece[:n]):
                    plan.read(uri, branch, part)
                gc.collect()  # what is kept lies together, and the free part of the heap stays whole
                await asyncio.sleep(0)
        finally:
            await stream.wait_closed()
        document.end()
        plan.end()
        if not hexlify(digest.digest()).decode().startswith(start):
            raise PackageError("package.json: another SHA-256")

    async def _answer(self, what: str, uri: str, methods: "tuple[str, ...]" = ("GET",)) -> "tuple[Stream, Answer]":
        """The first answer to one of the methods that is a 200; the stream is the caller's to close."""
        status = 0
        for method in methods:
            stream, answer = await self._fetch(uri, method)
            if answer.status == 200:
                return stream, answer
            await stream.wait_closed()
            status = answer.status
        raise PackageError("{}: the server answered {}".format(what, status))

    async def _lying(self, entry: dict, version: str, plan: mip.Plan) -> str:
        """The entry's folder, when all the plan's files lie there, as the hashes say, and no others; else empty."""
        if not plan.digest() or (entry.get("version"), entry.get("files")) != (version, plan.digest()):
            return ""
        for path, _, start in plan.files:
            if not (await self._store.digest(entry["folder"] + "/" + path)).startswith(start):
                return ""
        return entry["folder"]

    async def _fill(self, folder: str, plan: mip.Plan) -> None:
        """The plan's files lie in the new folder."""
        sizes = []
        for path, uri, _ in plan.files:
            gc.collect()
            sizes.append((folder + "/" + path, await self._size(path, uri)))
        self._store.check_space(sizes)
        self._total = sum(size for _, size in sizes)
        self._say("{} files, {} bytes".format(len(sizes), self._total))
        for (path, uri, start), (_, size) in zip(plan.files, sizes):
            await self._file(folder, path, uri, start, size)

    async def _size(self, path: str, uri: str) -> int:
        stream, answer = await self._answer(path, uri, ("HEAD", "GET"))
        await stream.wait_closed()
        return answer.length

    async def _file(self, folder: str, path: str, uri: str, start: str, size: int) -> None:
        stream, answer = await self._answer(path, uri)

        async def read(piece: memoryview) -> int:
            n = await answer.readinto(piece)
            self._done += n
            self._progress(self._done * 100 // (self._total or 1))
            return n

        try:
            if answer.length != size:
                raise PackageError("{}: {} bytes instead of {}".format(path, answer.length, size))
            written = await self._store.write(folder + "/" + path, read)
        finally:
            await stream.wait_closed()
        if not written.startswith(start):
            raise PackageError(path + ": another SHA-256")
        self._say("{} {}".format(path, "is right" if start else "came without a SHA-256"))
