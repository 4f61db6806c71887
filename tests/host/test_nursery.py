"""The tests' own servers: what happens to them when a test run is killed, and to the run when they do not start."""

import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .clients import Server, until
from .nursery import Forked, Nursery

ROOT = Path(__file__).parent.parent.parent
RUN = """
import signal, sys
from pathlib import Path
from tests.host.clients import Server
server = Server(Path(sys.argv[1]))
print(server.port, flush=True)
signal.pause()
"""


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/api/v1/healthz")
        connection.getresponse()
        return True
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def forked(own: Nursery, data: Path) -> tuple[Forked, int]:
    """A server and its port."""
    server = own.fork(data, 0, None, {})
    return server, int(server.stdout.readline().rpartition(b":")[2])


def test_server_ends_with_a_test_run_that_is_killed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", RUN, tmp_path / "data"], stdout=subprocess.PIPE, cwd=ROOT) as run:
        try:
            port = int(run.stdout.readline())
            assert answers(port)
        finally:
            run.kill()
    until(lambda: not answers(port))


def test_server_that_does_not_start_is_told_with_its_reason_and_others_do_after_it(start, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AssertionError, match="file"):
        Server(tmp_path / "file")
    assert answers(start().port)


def test_server_of_which_nobody_hears_any_more_takes_no_other_with_it(tmp_path):
    own = Nursery()
    [forgotten, _], other = (forked(own, tmp_path / name) for name in ("forgotten", "other"))
    for pipe in (forgotten.stdout, forgotten.stderr, forgotten._end):
        pipe.close()
    os.kill(forgotten.pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{forgotten.pid}").exists())
    following = forked(own, tmp_path / "next")
    assert [answers(port) for _, port in (other, following)] == [True, True]


def test_nursery_that_was_killed_is_told_and_takes_its_servers_with_it(tmp_path):
    own = Nursery()
    server, port = forked(own, tmp_path / "data")
    own._process.kill()
    until(lambda: not answers(port))
    assert server.wait() == -signal.SIGKILL
    with pytest.raises(AssertionError, match="has ended: -9"):
        forked(own, tmp_path / "next")
