"""Servers without the second that each would take to import its code: a process that has imported it forks for each."""

import ctypes
import io
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

_MESSAGE_BYTES = 65536
_PATIENCE_S = 120
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Forked:
    """A server's process, with what the tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, stdout: int, stderr: int, end: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout, self.stderr, self._end = (io.FileIO(fd) for fd in (stdout, stderr, end))

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._end], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = int(self._end.read() or -signal.SIGKILL)  # nothing: the nursery has ended, and it with it
            self._end.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended since
                os.kill(self.pid, number)

    def communicate(self) -> tuple[bytes, bytes]:
        with ThreadPoolExecutor(2) as pool:
            printed, log = pool.map(lambda stream: stream.read(), (self.stdout, self.stderr))
        self.stdout.close()
        self.stderr.close()
        self.wait()
        return printed, log


class Nursery:
    """The process that forks. It ends when this one does, and the servers with it, however it ends."""

    def __init__(self) -> None:
        self._wire, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._wire.settimeout(_PATIENCE_S)
        with far:
            command = [sys.executable, __file__, str(far.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[far.fileno()], start_new_session=True)

    def fork(self, data: Path, port: int, issuer: tuple[str, str, str] | None, limits: dict[int, int]) -> Forked:
        """A server's process, with these limits of the operating system's."""
        pipes = [os.pipe() for _ in range(3)]
        message = json.dumps([str(data), port, issuer, list(limits.items())]).encode()
        pid = b""
        with suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._wire, [message], [write for _, write in pipes])
            pid = self._wire.recv(_MESSAGE_BYTES)
        for _, write in pipes:
            os.close(write)
        assert pid, f"the process that forks servers has ended: {self._process.wait(10)}; what it printed tells why"
        return Forked(int(pid), *(read for read, _ in pipes))


@cache
def nursery() -> Nursery:
    return Nursery()


def _serve(data: str, port: int, issuer: list[str] | None, limits: list[tuple[int, int]]) -> None:
    from twinslot_host.app import serve
    from twinslot_host.issuer import Trusted

    for what, value in limits:
        resource.setrlimit(what, (value, value))
    serve(Path(data), "127.0.0.1", port, issuer=issuer and Trusted(*issuer))


def _live(message: bytes, stdout: int, stderr: int) -> None:
    """Serves and ends, at the latest with the nursery, with no other file open than a server's interpreter has."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        _serve(*json.loads(message))
        code = 0
    except BaseException:  # noqa: BLE001 - an interpreter that ends tells it so
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            sys.stdout.flush()
        finally:
            os._exit(code)


def _main(wire: socket.socket) -> None:
    """Forks until the other end of the wire is closed, as it is when the process that had it dies."""
    import twinslot_host.app  # noqa: F401 - all forks have it from here
    from twinslot_host import building
    from twinslot_host.handlers.described import description

    description()
    building.DELTA_NICENESS = 0  # so that no test waits until a loaded machine has nothing else to do

    living: dict[int, tuple[int, int]] = {}  # the process's descriptor: its id, and the pipe that its end is told to
    while True:
        for ready in select.select([wire, *living], [], [])[0]:
            if ready is not wire:
                _tell_end(ready, *living.pop(ready))
                continue
            message, fds, _, _ = socket.recv_fds(wire, _MESSAGE_BYTES, 3)
            if not message:
                return
            stdout, stderr, end = fds
            pid = os.fork()
            if not pid:
                _live(message, stdout, stderr)
            living[os.pidfd_open(pid)] = pid, end
            os.close(stdout)
            os.close(stderr)
            wire.send(str(pid).encode())


def _tell_end(descriptor: int, pid: int, end: int) -> None:
    """The process, which has ended, is reaped, and whoever still listens knows its exit code."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(BrokenPipeError):
        os.write(end, str(code).encode())
    os.close(end)
    os.close(descriptor)


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])))
