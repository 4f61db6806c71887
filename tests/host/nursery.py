"""Servers without the second that each would take to import its code: a process that has imported it forks for each."""

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
from functools import cache
from pathlib import Path

_MESSAGE_BYTES = 65536


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
            self.returncode = int(self._end.read())
            self._end.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self) -> tuple[bytes, bytes]:
        with ThreadPoolExecutor(2) as pool:
            printed, log = pool.map(lambda stream: stream.read(), (self.stdout, self.stderr))
        self.stdout.close()
        self.stderr.close()
        self.wait()
        return printed, log


class Nursery:
    """The process that forks. It ends when this one does, and the servers with it."""

    def __init__(self) -> None:
        self._wire, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far:
            command = [sys.executable, __file__, str(far.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[far.fileno()], start_new_session=True)

    def fork(self, data: Path, port: int, issuer: tuple[str, str, str] | None, limits: dict[int, int]) -> Forked:
        """A server's process, with these limits of the operating system's."""
        pipes = [os.pipe() for _ in range(3)]
        message = json.dumps([str(data), port, issuer, list(limits.items())]).encode()
        socket.send_fds(self._wire, [message], [write for _, write in pipes])
        for _, write in pipes:
            os.close(write)
        return Forked(int(self._wire.recv(_MESSAGE_BYTES)), *(read for read, _ in pipes))


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
    """Serves and ends, with no other file open than the interpreter of a server has."""
    code = 1
    try:
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        _serve(*json.loads(message))
        code = 0
    except BaseException:  # noqa: BLE001 - an interpreter that ends tells it so
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        os._exit(code)


def _main(wire: socket.socket) -> None:
    import twinslot_host.app  # noqa: F401 - all forks have it from here
    from twinslot_host.handlers.described import description

    description()

    living: dict[int, tuple[int, int]] = {}  # the process's descriptor: its id, and the pipe that its end is told to
    while True:
        for ready in select.select([wire, *living], [], [])[0]:
            if ready is not wire:
                pid, end = living.pop(ready)
                os.write(end, str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
                os.close(end)
                os.close(ready)
                continue
            message, fds, _, _ = socket.recv_fds(wire, _MESSAGE_BYTES, 3)
            if not message:
                for pid, _ in living.values():
                    os.kill(pid, signal.SIGKILL)
                return
            stdout, stderr, end = fds
            pid = os.fork()
            if not pid:
                _live(message, stdout, stderr)
            os.close(stdout)
            os.close(stderr)
            living[os.pidfd_open(pid)] = pid, end
            wire.send(str(pid).encode())


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])))
