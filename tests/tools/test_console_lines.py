"""What is read from the lines that a board prints."""

import pytest

from twinslot_tools.console_lines import LONGEST_BYTES, Lines, Progress


def test_lines_come_whole_however_the_bytes_come() -> None:
    heard: list[str] = []
    lines = Lines(heard.append)
    for byte in "één\r\ntwo\nthree".encode():
        lines.feed(bytes([byte]))
    assert heard == ["één", "two"]


def test_line_without_end_is_handed_on_in_pieces() -> None:
    heard: list[str] = []
    lines = Lines(heard.append)
    for _ in range(10):
        lines.feed(b"x" * 1000)
    assert 0 < max(map(len, heard)) <= LONGEST_BYTES + 1000 and sum(map(len, heard)) > LONGEST_BYTES


@pytest.mark.parametrize(
    ("line", "phase", "percent"),
    [
        ("twinslot: downloading 1.1.0, 262144 bytes", "downloading 1.1.0", 0),
        ("twinslot: downloading 1.1.0: 35 %", "downloading 1.1.0", 35),
        ("twinslot: restarting into 1.1.0", "restarting into 1.1.0", 100),
        ("twinslot: trial of 1.1.0", "trying 1.1.0", 100),
        ("twinslot: confirmed 1.1.0", "confirmed 1.1.0", 100),
        ("twinslot: rolled back 1.2.0-rc.1: crash", "rolled back 1.2.0-rc.1: crash", 0),
    ],
)
def test_line_of_the_agent_moves_the_progress(line, phase, percent) -> None:
    progress = Progress()
    assert progress.read(line)
    assert (progress.phase, progress.percent) == (phase, percent)


def test_boot_tells_what_runs() -> None:
    progress = Progress("1.0.0", "restarting into 1.1.0", 100)
    assert progress.read("twinslot: slot 1, 1.1.0, on_trial")
    assert progress == Progress("1.1.0", "running", 0)


def test_other_lines_change_nothing() -> None:
    progress = Progress("1.0.0", "here", 7)
    assert not progress.read("my own: downloading 9 things")
    assert progress == Progress("1.0.0", "here", 7)
