"""The `twinslot` command, as the demonstration types it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from twinslot_tools.errors import TwinslotError

_TWINSLOT = (sys.executable, "-m", "twinslot_tools")
_READY = "listening on "
_START_S = 30
_STOP_S = 10


class CommandFailed(TwinslotError):
    """A command of the demonstration did not do what it should."""


class Shell:
    """Runs `twinslot` with these environment variables, in this folder; `say` shows what is typed."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.environment: dict[str, str] = {}
        self._say = say

    async def twinslot(self, *arguments: str) -> Any:
        """The command's JSON document; raises `CommandFailed` with its message when it failed."""
        process = await asyncio.create_subprocess_exec(
            *_TWINSLOT,
            *arguments,
            "--json",
            cwd=self.folder,
            env=self._environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await process.communicate()
        if process.returncode != 0:
            raise CommandFailed(f"`twinslot {' '.join(arguments)}` failed: {errors.decode(errors='replace').strip()}")
        return json.loads(out)

    async def typed(self, *arguments: str, hidden: Mapping[str, str] | None = None) -> Any:
        """As `twinslot`, after showing the command."""
        shown = [(hidden or {}).get(argument, argument) for argument in arguments]
        self._say(f"  $ twinslot {' '.join(shown)}")
        return await self.twinslot(*arguments)

    @asynccontextmanager
    async def server(self, data: str) -> AsyncIterator[str]:
        """A server runs over the folder `data` for as long as the `async with` block; its address is given."""
        self._say(f"  $ twinslot serve --data {data} --port 0")
        with (self.folder / "server.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *_TWINSLOT,
                *("serve", "--data", data, "--port", "0"),
                cwd=self.folder,
                env=self._environment(),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        try:
            yield await self._ready(process)
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), _STOP_S)
                except TimeoutError:
                    process.kill()
                    await process.wait()

    async def _ready(self, process: asyncio.subprocess.Process) -> str:
        """The server's address, once it has said so."""
        assert process.stdout is not None, "it is a pipe"
        try:
            line = (await asyncio.wait_for(process.stdout.readline(), _START_S)).decode().strip()
        except TimeoutError:
            line = ""
        if not line.startswith(_READY):
            said = (self.folder / "server.log").read_text(errors="replace").strip()
            raise CommandFailed(f"the server did not start: {said or line or 'it said nothing'}")
        return line.removeprefix(_READY)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}
