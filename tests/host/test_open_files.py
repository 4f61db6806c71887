"""How many files the server may open, and what it leaves of them for others than held check-ins."""

import resource
import subprocess
import sys

import pytest

from twinslot_host import open_files

from .clients import NO_PACKAGES

LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
from twinslot_host import open_files
print(open_files.allowed(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_limit_of_the_process_is_raised_as_far_as_it_may():
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True)
    assert done.stdout == "300 300 300\n"


@pytest.mark.parametrize(
    ("limits", "settable", "allowed"),
    [
        ((256, resource.RLIM_INFINITY), True, 65_536),
        ((256, resource.RLIM_INFINITY), False, 256),  # some systems tell of no limit and have one
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), True, 65_536),
        ((100_000, resource.RLIM_INFINITY), True, 100_000),
        ((1024, 1024), True, 1024),
    ],
)
def test_limit_is_never_lowered_nor_taken_for_endless(monkeypatch, limits, settable, allowed):
    asked = []

    def setrlimit(_: int, wanted: tuple[int, int]) -> None:
        asked.append(wanted)
        if not settable:
            raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    assert open_files.allowed() == allowed
    assert asked == ([(65_536, limits[1])] if limits[0] == 256 else [])


def test_held_check_ins_leave_files_for_others(start):
    server = start(open_files_limit=204, bounds={"FILES_SPARED": 200})
    group = server.group()
    held = []
    for number in range(4):
        board = server.board(group, f"board-{number}")
        board.inventory([], NO_PACKAGES)
        held.append(board.waiting())
    answer = held.pop().answer()
    assert (answer.status, answer.poll_s > 20, [each.is_over for each in held]) == (204, True, [False] * 3)
    assert server.counted("held_check_ins") == 3
