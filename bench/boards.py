"""Simulated boards and their releases: provisioned by the server, which they reach over a link that counts."""

import asyncio
import re
import shutil
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from twinslot_sim import applications, factory, micropython
from twinslot_sim.board import Board
from twinslot_tools import provision

from .devices import Process, twinslot

APP = "kettle"
DIGEST_DIGITS = 64
LAST_RESORT_S = 900  # a machine that takes longer for one update is no use
_ASKED = re.compile(rb"^(?:GET|POST) /device/v1/(?:transfers/)?(\w+)", re.MULTILINE)


@dataclass
class Link:
    """The way to the server. `fetched` are the bytes that came from there, answers' heads included, by the digest of
    the file that was asked for, or by the last word of another path."""

    address: str = ""
    fetched: Counter[str] = field(default_factory=Counter)

    def files(self) -> set[str]:
        """The digests of the files that were asked for."""
        return {name for name in self.fetched if len(name) == DIGEST_DIGITS}


@asynccontextmanager
async def linked(server: Process, tls: ssl.SSLContext | None = None) -> AsyncIterator[Link]:
    """A link to the server, within the block."""
    link, port = Link(), int(server.address.rsplit(":", 1)[1])

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        asked = ""  # a board asks for one thing after the other

        def up(data: bytes) -> None:
            nonlocal asked
            for name in _ASKED.findall(data):
                asked = name.decode()

        def down(data: bytes) -> None:
            link.fetched[asked] += len(data)

        await asyncio.gather(_pump(reader, far_writer, up), _pump(far_reader, writer, down))

    open_ones: list[asyncio.Future[None]] = []
    front = await asyncio.start_server(
        lambda reader, writer: open_ones.append(asyncio.ensure_future(relay(reader, writer))), "127.0.0.1", 0, ssl=tls
    )
    async with front:
        host = "https://localhost" if tls else "http://127.0.0.1"
        link.address = f"{host}:{front.sockets[0].getsockname()[1]}"
        yield link
    for each in open_ones:
        each.cancel()
    await asyncio.gather(*open_ones, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passes: Callable[[bytes], None]) -> None:
    try:
        while data := await reader.read(1024):
            await asyncio.sleep(0.005)  # slower than a board reads, so that what came is what it took
            passes(data)
            writer.write(data)
            await writer.drain()
    except OSError:
        return  # one side has gone, and the other will
    finally:
        writer.close()


async def make_flash(
    path: Path,
    server: Process,
    link: Link,
    group: dict[str, Any],
    device: str,
    files: dict[str, bytes],
    **settings: object,
) -> None:
    """A board of the group as it comes from its provisioning, running 1.0.0, which reaches the server by the link; with
    more files and settings."""
    known = await provision.ask_group(server.address, group["id"], group["token"], device)
    made = provision.configuration(known, device, app=APP, version="1.0.0", poll_s=1, trial_s=LAST_RESORT_S)
    lying = provision.files({**made, "server": link.address, **settings}) | files
    factory.make_flash(path, applications.app_image(APP, "1.0.0"), lying)


class On:
    """A board that is on, within `async with`, or until it has printed its `last_words`, if there are any. `log` is all
    that it has printed; `on_more` hears that it is more."""

    def __init__(self, flash: Path, last_words: str = "", **board: Any) -> None:
        self.log = ""
        self.on_more: Callable[[], None] = lambda: None
        self._last_words = last_words
        self.board = Board(flash, interpreter=micropython.find(), on_output=self._heard, **board)

    async def __aenter__(self) -> Self:
        self._running = asyncio.ensure_future(self.board.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.board.power_off()
        await self._running

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns when `holds()`, and when the board is off. Raises TimeoutError after LAST_RESORT_S."""
        async with asyncio.timeout(LAST_RESORT_S):
            while not holds() and not self._running.done():
                await asyncio.wait([self._running], timeout=0.05)

    def _heard(self, data: bytes) -> None:
        self.log += data.decode(errors="replace")
        self.on_more()
        if self._last_words and self._last_words in self.log:
            self.board.power_off()


async def confirm(flash: Path, version: str) -> None:
    """The board of this flash has confirmed the version, and has told the server so."""

    def has_confirmed() -> bool:
        record: dict[str, Any] = on.board.record() or {}
        return bool(record) and record["confirmed"]["version"] == version and not record["report"]

    async with On(flash) as on:
        await on.until(has_confirmed)
        assert has_confirmed(), on.log


def publish(server: Process, data: Path, version: str, content: bytes) -> None:
    """The release with this image is there for all."""
    file = data.parent / f"{version}.bin"
    file.write_bytes(content)
    twinslot(server, data, "publish", str(file), "--app", APP, "--version", version)


@dataclass(frozen=True)
class Delta:
    """A transfer against the image that a board runs."""

    sha256: str
    size_bytes: int


async def delta(server: Process, data: Path, flash: Path, device: str) -> Delta:
    """What the server offers the device, whose board has this flash: it has asked, so the server makes it."""
    copy = flash.with_suffix(".asks")
    shutil.copyfile(flash, copy)
    async with On(copy, last_words="downloading") as on:
        await on.until(lambda: False)
    async with asyncio.timeout(LAST_RESORT_S):
        while True:
            transfer = twinslot(server, data, "explain", device)["offer"]["transfer"]
            if transfer["base"]:
                return Delta(transfer["sha256"], transfer["size"])
            await asyncio.sleep(0.5)
