"""A board at the end of its serial cable. mpremote runs code on it and copies files to it; its console is read here."""

import asyncio
import fcntl
import json
import os
import stat
import sys
import tempfile
import termios
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from twinslot_tools.console_lines import Lines
from twinslot_tools.errors import BoardFailed, NoDevice

RETRY_S = 0.2
INTERRUPTS = 3
"""A board that is just starting does not hear mpremote's only Ctrl-C: so often it is sent."""
SCRIPTS = Path(__file__).parent / "on_board"
_USUAL_PORTS = ("ttyUSB*", "ttyACM*", "cu.usb*", "cu.wchusb*", "cu.SLAB*")
_BUSY = "the port {} is in use by another program, such as a monitor or mpremote; end that first"


class BoardPort:
    """The board at the serial port `path`. What needs its prompt stops its program, until `restart`."""

    silence_s = 30.0
    """How long it may say nothing: more than mpremote itself waits for a prompt, 10 s twice."""

    def __init__(self, path: str) -> None:
        self.path = path

    def check(self) -> None:
        """There is such a port, and we may use it; raises `NoDevice`."""
        try:
            mode = os.stat(self.path).st_mode  # noqa: PTH116 - a port, no path of ours
        except OSError as error:
            raise NoDevice(f"there is no port {self.path} ({error.strerror}); {_plugged_in()}") from error
        if not stat.S_ISCHR(mode):
            raise NoDevice(f"{self.path} is no serial port; {_plugged_in()}")
        if not os.access(self.path, os.R_OK | os.W_OK):
            raise NoDevice(
                f"you may not use the port {self.path}. On most systems the group of it may (`ls -l {self.path}`): "
                "`sudo usermod -aG dialout $USER`, then log in anew"
            )

    async def ask(self, *scripts: str, silence_s: float | None = None) -> tuple[list[str], dict[str, Any]]:
        """The lines that the scripts of those names printed on the board, and what the JSON objects among them hold.

        The board has been reset softly before. Raises `NoDevice` when nothing answers, `BoardFailed` when what answers
        can't run the scripts.
        """
        words = [word for script in scripts for word in ("run", str(SCRIPTS / f"{script}.py"), "+")]
        for left in reversed(range(INTERRUPTS)):
            try:
                said = (await self._mpremote(*words[:-1], silence_s=silence_s)).splitlines()
                break
            except _Deaf:
                if not left:
                    raise
        told: dict[str, Any] = {}
        try:
            for line in said:
                if line.startswith("{"):
                    told |= json.loads(line)
        except ValueError as error:
            raise BoardFailed(f"what the board at {self.path} answered was damaged on its way; try again") from error
        return said, told

    async def copy(
        self, files: Mapping[str, bytes], folders: Iterable[str], gone: Iterable[str], on_file: Callable[[int], None]
    ) -> None:
        """The board has the files, path on it → content, and the new folders, and not what is to be gone.

        `on_file` hears how many bytes were copied before each. Raises as `ask`; then the files before are there. They
        are written in order, and a board whose power fails has each in its old state or its new one (LittleFS: what is
        written counts when the file is closed).
        """
        with tempfile.TemporaryDirectory(prefix="twinslot-") as folder:
            words = ["resume"]
            for path in folders:
                words += ["fs", "mkdir", f":{path}", "+"]
            for path in gone:
                words += ["fs", "rm", "-r", f":{path}", "+"]
            copied_bytes = {}
            done = 0
            for number, (path, content) in enumerate(files.items()):
                source = Path(folder, str(number))
                source.write_bytes(content)  # noqa: ASYNC240 - a temporary file, at once
                words += ["fs", "cp", "-f", str(source), f":{path}", "+"]
                copied_bytes[f"cp {source} :{path}"] = done
                done += len(content)

            def heard(line: str) -> None:
                if line in copied_bytes:
                    on_file(copied_bytes[line])

            await self._mpremote(*words[:-1], on_line=heard)

    async def reset(self) -> None:
        """The board starts as when its reset button is pressed."""
        await self._mpremote("resume", "reset")

    async def restart(self) -> None:
        """The board's programs run again, after a soft reset: a trial of a release goes on, where `reset` ends it."""
        with _Opened(self.path) as fd:
            os.write(fd, b"\r\x03\x02\x04")

    async def lines(self, on_gone: Callable[[], None] = lambda: None) -> AsyncIterator[str]:
        """Each whole line that the board prints, for ever. A port that went away is waited for, after `on_gone`.

        Raises `NoDevice` when there is no such port to begin with, or another program has it.
        """
        self.check()
        begun = False
        while True:
            try:
                with _Opened(self.path) as fd:
                    begun = True
                    async for line in _lines(fd):
                        yield line
                on_gone()
            except NoDevice:
                if not begun:
                    raise
            await asyncio.sleep(RETRY_S)

    async def _mpremote(
        self, *words: str, silence_s: float | None = None, on_line: Callable[[str], None] = lambda line: None
    ) -> str:
        """What mpremote printed; it has ended well."""
        self.check()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mpremote", "connect", self.path, *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C at the terminal ends the command, which ends mpremote
        )
        said: list[str] = []
        try:
            assert process.stdout
            while data := await asyncio.wait_for(process.stdout.readline(), silence_s or self.silence_s):
                said.append(data.decode("utf-8", "replace").replace("\r\n", "\n"))
                on_line(said[-1].rstrip("\n"))
            await process.wait()
        except TimeoutError as error:
            raise (BoardFailed(_cut_off(self.path)) if said else NoDevice(_silent(self.path))) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise _failure(self.path, "".join(said))
        return "".join(said)


class _Deaf(NoDevice):
    """Something is there, and does not come to its prompt."""


class _Opened:
    """The port, open for us alone within `with`, as a file descriptor that does not block. Raises `NoDevice`."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> int:
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise NoDevice(f"the port {self._path} can't be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            control = termios.tcgetattr(self._fd)[6]
            mode = termios.CS8 | termios.CREAD | termios.CLOCAL
            speed = termios.B115200
            termios.tcsetattr(self._fd, termios.TCSANOW, [0, 0, mode, 0, speed, speed, control])
        except (OSError, termios.error) as error:
            os.close(self._fd)
            busy = isinstance(error, BlockingIOError)
            raise NoDevice(
                _BUSY.format(self._path) if busy else f"{self._path} is no serial port: {error.args[-1]}"
            ) from error
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


async def _lines(fd: int) -> AsyncIterator[str]:
    """The whole lines that come, until the port goes away."""
    whole: list[str] = []
    lines = Lines(whole.append)
    while data := await _some(fd):
        lines.feed(data)
        for line in whole:
            yield line
        whole.clear()


async def _some(fd: int) -> bytes:
    """The next bytes that come; none when the port went away."""
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    loop.add_reader(fd, lambda: None if readable.done() else readable.set_result(None))
    try:
        await readable
        return os.read(fd, 4096)
    except BlockingIOError:
        return await _some(fd)
    except OSError:
        return b""
    finally:
        loop.remove_reader(fd)


def _plugged_in() -> str:
    found = [str(path) for pattern in _USUAL_PORTS for path in sorted(Path("/dev").glob(pattern))]
    if found:
        return f"plugged in: {', '.join(found)}"
    return "no board is plugged in, or its cable only charges, or its USB-to-serial driver is missing"


def _cut_off(path: str) -> str:
    return f"the board at {path} stopped answering, as at a reset or a power cut. Run the command again"


def _silent(path: str) -> str:
    return (
        f"nothing on {path} answers as MicroPython does. Is it the board's port, and does MicroPython run on it "
        f"(`twinslot flash` writes it)? A program that can't be interrupted keeps the board to itself: look with "
        f"`twinslot monitor --port {path}`, and try again right after pressing the reset button"
    )


def _no_access(path: str) -> NoDevice:
    """Why the port can't be used, where mpremote only guesses."""
    try:
        with _Opened(path):
            return NoDevice(_BUSY.format(path))
    except NoDevice as error:
        return error


def _failure(path: str, said: str) -> NoDevice | BoardFailed:
    """Why mpremote failed; of what it printed, only its last line is told."""
    *_, last = said.strip().splitlines() or ["nothing"]
    if "failed to access" in said:
        return _no_access(path)
    if "could not enter raw repl" in said or "could not exec" in said or "raw paste" in said:
        return _Deaf(_silent(path))
    if "EOF reception" in said:
        return BoardFailed(_cut_off(path))
    if "SerialException" in said or "Input/output error" in said or "termios.error" in said:
        return NoDevice(f"the board at {path} went away in the middle; plug it in and run the command again")
    return BoardFailed(f"the board at {path} failed: {last.removeprefix('mpremote: ')}. Run the command again")
