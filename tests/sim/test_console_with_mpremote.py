"""mpremote, as it is installed, against the console, the serial port and a MicroPython that runs the code."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Awaitable, Callable
from pathlib import Path

from twinslot_sim import micropython
from twinslot_sim.console import Console
from twinslot_sim.serial_port import SerialPort

TIMEOUT_S = 60
STARTED, DONE, EXITED, RESET = range(4)

PROCESSOR = """
import io, micropython, struct, sys, time
orders, reports = open("/dev/fd/{orders}", "rb"), open("/dev/fd/{reports}", "wb")
def report(kind, text=b""):
    reports.write(struct.pack("<BI", kind, len(text)) + text)
class machine:
    @staticmethod
    def reset():
        report({RESET})
        time.sleep(3600)
sys.modules["machine"] = machine
scope = {{"__name__": "__main__"}}
started = False
while True:
    single, size = struct.unpack("<BI", orders.read(5))
    code = orders.read(size)
    kind, error = {DONE}, b""
    try:
        micropython.kbd_intr(3)
        if not started:
            started = True
            report({STARTED})
        exec(compile(code, "<stdin>", "single" if single else "exec"), scope)
        micropython.kbd_intr(-1)
    except SystemExit:
        micropython.kbd_intr(-1)
        kind = {EXITED}
    except BaseException as e:
        micropython.kbd_intr(-1)
        text = io.StringIO()
        sys.print_exception(e, text)
        error = text.getvalue().encode()
    report(kind, error)
"""


class Processor:
    """A MicroPython process that runs what it is given, with the pipes to it."""

    def __init__(self, root: Path) -> None:
        orders, self.orders = os.pipe()
        self.reports, reports = os.pipe()
        self.unread, self.stdin = os.pipe()
        self.output, output = os.pipe()
        kinds = {"STARTED": STARTED, "DONE": DONE, "EXITED": EXITED, "RESET": RESET}
        code = PROCESSOR.format(orders=orders, reports=reports, **kinds)
        self.process = subprocess.Popen(
            [*micropython.find(), "-c", code],
            cwd=root,
            stdin=self.unread,
            stdout=output,
            stderr=output,
            pass_fds=(orders, reports),
            start_new_session=True,
        )
        for fd in (orders, reports, output):
            os.close(fd)

    def send(self, code: bytes, mode: str) -> None:
        os.write(self.orders, struct.pack("<BI", mode == "single", len(code)) + code)

    def read_report(self) -> tuple[int, bytes]:
        head = os.read(self.reports, 5)
        kind, length = struct.unpack("<BI", head)
        return kind, os.read(self.reports, length) if length else b""

    def read_waiting(self, fd: int) -> bytes:
        (waiting,) = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))
        return os.read(fd, waiting) if waiting else b""

    def interruptible(self) -> bool:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (signal.SIGINT - 1) & 1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for fd in (self.orders, self.reports, self.stdin, self.unread, self.output):
            os.close(fd)


class StandIn:
    """What the console needs of a board: files in `root`, boot.py and main.py run, resets, no flash and no slots."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.hard_resets: asyncio.Queue[None] = asyncio.Queue()
        self.loop = asyncio.get_running_loop()
        self.port = SerialPort(lambda data: self.console.feed(data))
        self._power_on()

    def close(self) -> None:
        self._stop()
        self.port.close()

    def _power_on(self) -> None:
        self.console = Console(
            write=self.port.write,
            run=lambda code, mode: self.processor.send(code, mode),
            interrupt=lambda: self.processor.process.send_signal(signal.SIGINT),
            interruptible=lambda: self.processor.interruptible(),
            stdin=lambda data: (os.write(self.processor.stdin, data), None)[1],
            soft_reset=self._restart,
        )
        self._start(run_main=True)

    def _start(self, run_main: bool) -> None:
        self.processor = Processor(self.root)
        self.loop.add_reader(self.processor.output, self._printed)
        self.loop.add_reader(self.processor.reports, self._reported)
        self.in_program = True
        files = ["boot.py", "main.py"] if run_main else ["boot.py"]
        present = [path.read_bytes() for name in files if (path := self.root / name).exists()]
        self.processor.send(b"\n".join(present), "exec")

    def _stop(self) -> None:
        self.loop.remove_reader(self.processor.output)
        self.loop.remove_reader(self.processor.reports)
        self.processor.kill()

    def _restart(self, run_main: bool) -> None:
        self._stop()
        self._start(run_main)

    def _printed(self) -> None:
        if data := self.processor.read_waiting(self.processor.output):
            self.console.output(data)

    def _reported(self) -> None:
        kind, error = self.processor.read_report()
        self._printed()
        if kind == STARTED:
            self.console.program_started()
        elif kind == RESET:
            self._stop()
            self._power_on()
            self.hard_resets.put_nowait(None)
        elif kind == EXITED:
            self.console.exited()
        elif self.in_program:
            self.in_program = False
            self.console.output(error)
            self.console.program_ended(self.processor.read_waiting(self.processor.unread))
        else:
            self.console.run_done(error, self.processor.read_waiting(self.processor.unread))


def with_board(root: Path, test: Callable[[StandIn], Awaitable[None]], **files: str) -> None:
    """Runs `test` with a board that has `files` (named without .py) on it."""

    async def run() -> None:
        for name, text in files.items():
            (root / f"{name}.py").write_text(text)
        board = StandIn(root)
        try:
            await asyncio.wait_for(test(board), TIMEOUT_S)
        finally:
            board.close()

    asyncio.run(run())


async def mpremote(board: StandIn, *arguments: str, status: int = 0) -> str:
    """What `mpremote connect PORT ARGUMENTS` printed; it ended with `status`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mpremote",
        "connect",
        board.port.path,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"HOME": str(board.root), "PATH": os.environ["PATH"]},
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == status, output.decode()
    return output.decode()


def test_exec_and_eval_print_what_the_code_prints(tmp_path: Path) -> None:
    async def test(board: StandIn) -> None:
        assert await mpremote(board, "exec", "print('hi', 6 * 7)") == "hi 42\n"
        assert await mpremote(board, "eval", "sum(range(10))", "+", "exec", "print(2)") == "45\n2\n"
        long = "# " + "x" * 5000 + "\nprint('end')"
        assert await mpremote(board, "exec", long) == "end\n"

    with_board(tmp_path, test)


def test_exec_of_failing_code_shows_the_traceback(tmp_path: Path) -> None:
    async def test(board: StandIn) -> None:
        shown = await mpremote(board, "exec", "print('before'); 1/0", status=1)
        assert "before" in shown and "ZeroDivisionError: divide by zero" in shown
        assert await mpremote(board, "exec", "print('after')") == "after\n"

    with_board(tmp_path, test)


def test_running_main_is_interrupted_before_and_after_a_hard_reset(tmp_path: Path) -> None:
    async def test(board: StandIn) -> None:
        assert await mpremote(board, "resume", "exec", "kept = 1; print('interrupted')") == "interrupted\n"
        assert await mpremote(board, "resume", "eval", "kept") == "1\n"
        await mpremote(board, "resume", "reset")
        await board.hard_resets.get()
        assert await mpremote(board, "resume", "eval", "'kept' in globals()") == "False\n"

    with_board(tmp_path, test, main="while True: pass\n")


def test_soft_reset_runs_boot_alone_and_forgets_variables(tmp_path: Path) -> None:
    async def test(board: StandIn) -> None:
        shown = await mpremote(board, "exec", "kept = 1", "+", "exec", "print('kept' in globals(), booted)")
        assert shown == "True 1\n"
        shown = await mpremote(
            board, "exec", "kept = 1", "+", "soft-reset", "+", "exec", "print('kept' in globals(), booted)"
        )
        assert shown == "False 1\n"
        assert not (tmp_path / "main-ran-again").exists()

    boot = "booted = 1\nprint('boot.py prints')\n"
    with_board(tmp_path, test, boot=boot, main="if booted > 1: open('main-ran-again', 'w')\n")


def test_files_are_copied_listed_and_compared_both_ways(tmp_path: Path) -> None:
    board_root, here = tmp_path / "board", tmp_path / "here"
    board_root.mkdir()
    here.mkdir()
    content = bytes(range(256)) * 40
    (here / "data.bin").write_bytes(content)

    async def test(board: StandIn) -> None:
        await mpremote(board, "fs", "cp", str(here / "data.bin"), ":copy.bin")
        assert (board_root / "copy.bin").read_bytes() == content
        assert "copy.bin" in await mpremote(board, "fs", "ls")
        await mpremote(board, "fs", "mkdir", ":lib", "+", "fs", "cp", ":copy.bin", ":lib/again.bin")
        await mpremote(board, "fs", "cp", ":lib/again.bin", str(here / "back.bin"))
        assert (here / "back.bin").read_bytes() == content
        assert "No such file" in await mpremote(board, "fs", "cat", ":missing", status=1)

    with_board(board_root, test)


def test_mounted_folder_is_read_and_written_by_code_on_the_board(tmp_path: Path) -> None:
    board_root, here = tmp_path / "board", tmp_path / "here"
    board_root.mkdir()
    here.mkdir()
    content = bytes(range(256)) * 8  # Ctrl-C and LF among them
    (here / "far.bin").write_bytes(content)
    (here / "far.py").write_text("print('imported')\n")

    async def test(board: StandIn) -> None:
        code = "import far; open('near.bin', 'wb').write(open('far.bin', 'rb').read())"
        assert "imported" in await mpremote(board, "mount", str(here), "exec", code)
        assert (here / "near.bin").read_bytes() == content
        assert not (board_root / "near.bin").exists()

    with_board(board_root, test)


def test_code_that_exits_leaves_a_board_that_answers(tmp_path: Path) -> None:
    async def test(board: StandIn) -> None:
        await mpremote(board, "exec", "raise SystemExit")
        assert await mpremote(board, "exec", "print(1)") == "1\n"

    with_board(tmp_path, test)


def test_lines_typed_ahead_at_the_friendly_prompt_all_run(tmp_path: Path) -> None:
    async def test(board: StandIn) -> None:
        client = os.open(board.port.path, os.O_RDWR | os.O_NOCTTY)
        os.write(client, b"for i in range(3):\r    i\r\rname = input()\rTwinslot\r'I am ' + name\r")
        shown = b""
        while not shown.endswith(b"'I am Twinslot'\r\n>>> "):
            shown += await asyncio.to_thread(os.read, client, 4096)
        assert b"\r\n0\r\n1\r\n2\r\n>>> name = input()\r\n" in shown
        os.close(client)

    with_board(tmp_path, test)
