"""The console, byte by byte, against what shared/runtime/pyexec.c sends."""

from __future__ import annotations

import pytest

from twinslot_sim.console import BANNER, Console
from twinslot_sim.console_states import TRANSITIONS, ConsoleError, Event, State, after
from twinslot_sim.repl_input import needs_more

RAW = b"raw REPL; CTRL-B to exit\r\n>"
FRIENDLY = BANNER + b">>> "


class Wire:
    """A console whose ends are all recorded: `sent` is what the host got, `asked` what the board was asked to do."""

    def __init__(self) -> None:
        self.sent = b""
        self.asked: list[object] = []
        self.kbd_intr = True
        self.console = Console(
            write=self._write,
            run=lambda code, mode: self.asked.append((mode, code)),
            interrupt=lambda: self.asked.append("interrupt"),
            interruptible=lambda: self.kbd_intr,
            stdin=lambda data: self.asked.append(data),
            soft_reset=lambda run_main: self.asked.append(f"soft reset, main {run_main}"),
        )

    def _write(self, data: bytes) -> None:
        self.sent += data

    def taken(self) -> tuple[bytes, list[object]]:
        """What has been sent and asked since the last call."""
        sent, self.sent = self.sent, b""
        asked, self.asked = self.asked, []
        return sent, asked

    def feed(self, data: bytes) -> tuple[bytes, list[object]]:
        self.console.feed(data)
        return self.taken()


@pytest.fixture
def running() -> Wire:
    """A board whose main.py runs."""
    wire = Wire()
    wire.console.program_started()
    return wire


@pytest.fixture
def friendly(running: Wire) -> Wire:
    """A board at the friendly prompt."""
    running.console.program_ended()
    running.taken()
    return running


@pytest.fixture
def raw(friendly: Wire) -> Wire:
    """A board at the raw prompt."""
    friendly.feed(b"\x01")
    return friendly


def test_program_that_ends_leaves_banner_and_prompt(running: Wire) -> None:
    running.console.output(b"hello\n")
    running.console.program_ended()
    assert running.sent == b"hello\r\n" + FRIENDLY


def test_bytes_for_a_running_program_go_to_its_stdin(running: Wire) -> None:
    assert running.feed(b"a\x01b") == (b"", [b"a\x01b"])


def test_bytes_behind_an_interrupt_wait_for_the_prompt(running: Wire) -> None:
    assert running.feed(b"\r\x03\r\x01") == (b"", [b"\r", "interrupt"])
    running.console.program_ended()
    assert running.taken() == (FRIENDLY + b"\r\n>>> \r\n" + RAW, [])


def test_interrupt_that_code_turned_off_is_data(running: Wire) -> None:
    running.kbd_intr = False
    assert running.feed(b"a\x03b") == (b"", [b"a", b"\x03b"])


def test_second_interrupt_is_for_code_that_caught_the_first(running: Wire) -> None:
    running.feed(b"\x03")
    assert running.feed(b"x\x03") == (b"", ["interrupt"])
    running.console.program_ended()
    assert running.sent == FRIENDLY + b"x"


def test_bytes_that_code_left_unread_come_before_those_that_waited(friendly: Wire) -> None:
    friendly.feed(b"f()\r")
    assert friendly.feed(b"g\x03)\r") == (b"", [b"g", "interrupt"])
    friendly.console.run_done(b"", unread=b"g(")
    assert friendly.taken() == (b">>> g()\r\n", [("single", b"g()")])


def test_lines_pasted_at_once_run_one_after_the_other(friendly: Wire) -> None:
    assert friendly.feed(b"a = 1\rprint(a)\r")[1] == [("single", b"a = 1"), b"print(a)\r"]
    friendly.console.run_done(b"", unread=b"print(a)\r")
    assert friendly.asked == [("single", b"print(a)")]


def test_raw_code_runs_and_its_error_is_told_apart(raw: Wire) -> None:
    assert raw.feed(b"print(1)\n1/0\x04") == (b"OK", [("exec", b"print(1)\n1/0")])
    raw.console.output(b"1\n")
    raw.console.run_done(b"ZeroDivisionError: divide by zero\r\n")
    assert raw.sent == b"1\n\x04ZeroDivisionError: divide by zero\r\n\x04>"


def test_raw_ctrl_c_clears_the_code(raw: Wire) -> None:
    assert raw.feed(b"no\x03yes\x04") == (b"OK", [("exec", b"yes")])


def test_raw_ctrl_a_and_ctrl_b_change_the_prompt(raw: Wire) -> None:
    assert raw.feed(b"junk\x01") == (RAW, [])
    assert raw.feed(b"\r\x02") == (b"\r\n" + FRIENDLY, [])


def test_raw_ctrl_d_resets_softly_into_the_raw_repl(raw: Wire) -> None:
    assert raw.feed(b"\x04") == (b"OK\r\nMPY: soft reboot\r\n", ["soft reset, main False"])
    raw.console.program_started()
    raw.console.output(b"boot.py says hello\n")
    raw.console.program_ended()
    assert raw.sent == b"boot.py says hello\r\n" + RAW


def test_raw_code_that_exits_resets_softly(raw: Wire) -> None:
    raw.feed(b"raise SystemExit\x04")
    raw.console.exited()
    assert raw.taken() == (b"\x04\x04MPY: soft reboot\r\n", ["soft reset, main False"])


def test_main_that_exits_resets_softly_with_main(running: Wire) -> None:
    running.console.exited()
    assert running.taken() == (b"MPY: soft reboot\r\n", ["soft reset, main True"])


def test_input_during_a_restart_waits(raw: Wire) -> None:
    raw.feed(b"\x04")
    assert raw.feed(b"\x02") == (b"", [])
    raw.console.program_started()
    assert raw.taken() == (b"", [b"\x02"])
    raw.console.program_ended(unread=b"\x02")
    assert raw.sent == RAW + b"\r\n" + FRIENDLY


def test_raw_paste_opens_windows_and_runs_the_code(raw: Wire) -> None:
    assert raw.feed(b"\x05A\x01") == (b"R\x01\x80\x00\x01", [])
    assert raw.feed(b"#" * 127) == (b"", [])
    assert raw.feed(b"##") == (b"\x01", [])
    assert raw.feed(b"#" * 127) == (b"\x01", [])
    assert raw.feed(b"\x04") == (b"\x04", [("exec", b"#" * 256)])
    raw.console.output(b"out")
    raw.console.run_done(b"")
    assert raw.sent == b"out\x04\x04>"


def test_raw_paste_cancelled_runs_nothing(raw: Wire) -> None:
    raw.feed(b"\x05A\x01")
    assert raw.feed(b"1/0\x03") == (b"\x04\x04KeyboardInterrupt: \r\n\x04>", [])
    assert raw.feed(b"2\x04") == (b"OK", [("exec", b"2")])


def test_raw_command_that_is_unknown_is_refused(raw: Wire) -> None:
    assert raw.feed(b"\x05B\x01") == (b"R\x00>", [])


def test_friendly_line_is_echoed_edited_and_run(friendly: Wire) -> None:
    echo, asked = friendly.feed(b"1+\x1b[A\x1bOP\x1b[1;5C3\x7f2\r")
    assert (echo, asked) == (b"1+3\b\x1b[K2\r\n", [("single", b"1+2")])
    friendly.console.output(b"3\n")
    friendly.console.run_done(b"")
    assert friendly.sent == b"3\r\n>>> "


def test_friendly_backspace_takes_a_whole_character(friendly: Wire) -> None:
    assert friendly.feed("'aé\x7f\x7fb'\r".encode())[1] == [("single", b"'b'")]
    friendly.console.run_done(b"")
    assert friendly.feed(b"\x7f\r") == (b">>> \r\n>>> ", [])


def test_friendly_block_ends_with_an_empty_line(friendly: Wire) -> None:
    assert friendly.feed(b"if 1:\r\tprint(2)\r") == (b"if 1:\r\n...     print(2)\r\n... ", [])
    assert friendly.feed(b"\r") == (b"\r\n", [("single", b"if 1:\n    print(2)\n")])


def test_friendly_ctrl_d_ends_a_block(friendly: Wire) -> None:
    assert friendly.feed(b"if 1: 2\r\x04")[1] == [("single", b"if 1: 2\n")]


def test_friendly_ctrl_c_cancels_line_and_block(friendly: Wire) -> None:
    assert friendly.feed(b"if 1:\rx\x03") == (b"if 1:\r\n... x\r\n>>> ", [])
    assert friendly.feed(b"2\r")[1] == [("single", b"2")]


def test_friendly_control_keys_inside_a_block_or_line_do_nothing(friendly: Wire) -> None:
    assert friendly.feed(b"(\r\x01\x05") == (b"(\r\n... ", [])
    assert friendly.feed(b"1\x01\x04)\r")[1] == [("single", b"(\n1)")]


def test_friendly_ctrl_d_resets_softly_with_main(friendly: Wire) -> None:
    assert friendly.feed(b"\x04") == (b"\r\nMPY: soft reboot\r\n", ["soft reset, main True"])
    friendly.console.program_started()
    friendly.console.program_ended()
    assert friendly.sent == FRIENDLY


def test_friendly_ctrl_b_repeats_the_banner(friendly: Wire) -> None:
    assert friendly.feed(b"\x02") == (b"\r\n" + FRIENDLY, [])


def test_friendly_error_is_shown_before_the_prompt(friendly: Wire) -> None:
    friendly.feed(b"x\r")
    friendly.console.run_done(b"NameError: name 'x' isn't defined\n")
    assert friendly.sent == b"NameError: name 'x' isn't defined\r\n>>> "


def test_paste_mode_runs_its_lines_as_a_file(friendly: Wire) -> None:
    opening, _ = friendly.feed(b"\x05")
    assert opening == b"\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== "
    assert friendly.feed(b"a=1\rb=2\x04") == (b"a=1\r\n=== b=2\r\n", [("exec", b"a=1\nb=2")])


def test_paste_mode_cancelled_runs_nothing(friendly: Wire) -> None:
    assert friendly.feed(b"\x05a=1\x03")[0].endswith(b"a=1\r\n>>> ")
    assert friendly.feed(b"b\r")[1] == [("single", b"b")]


def test_mount_request_passes_unchanged_in_the_friendly_repl(friendly: Wire) -> None:
    friendly.feed(b"import far\r")
    friendly.console.output(b"\x0a")
    friendly.kbd_intr = False
    friendly.console.output(b"\x18\x0a")
    friendly.console.output(b"\x0a\x00\x00\x00")
    friendly.kbd_intr = True
    friendly.console.output(b"\n")
    assert friendly.sent == b"\r\n\x18\x0a\x0a\x00\x00\x00\r\n"


def test_answers_from_within_callbacks_take_effect_in_order_at_one_depth() -> None:
    sent: list[bytes] = []
    ran: list[bytes] = []

    def run(code: bytes, mode: str) -> None:
        ran.append(code)
        console.run_done(b"")

    console = Console(
        write=sent.append,
        run=run,
        interrupt=lambda: None,
        interruptible=lambda: True,
        stdin=lambda data: None,
        soft_reset=lambda run_main: console.program_started(),
    )
    console.program_started()
    console.program_ended()
    console.feed(b"1\r" * 1000 + b"\x012\x04")
    assert ran == [b"1"] * 1000 + [b"2"]
    assert b"".join(sent) == FRIENDLY + b"1\r\n>>> " * 1000 + b"\r\n" + RAW + b"OK\x04\x04>"


def test_illegal_event_raises_and_changes_nothing(friendly: Wire) -> None:
    console = friendly.console
    for event in (console.program_started, console.program_ended, console.exited, lambda: console.run_done(b"")):
        with pytest.raises(ConsoleError, match="while its console was at PROMPT"):
            event()
    assert friendly.taken() == (b"", [])
    assert friendly.feed(b"1\r")[1] == [("single", b"1")]


def test_every_transition_is_reached_or_refused() -> None:
    for state in State:
        for event in Event:
            if (state, event) in TRANSITIONS:
                assert after(state, event) is TRANSITIONS[state, event]
            else:
                with pytest.raises(ConsoleError):
                    after(state, event)


@pytest.mark.parametrize(
    ("source", "more"),
    [
        (b"1", False),
        (b"f(", True),
        (b"f(\n1)", False),
        (b"')'", False),
        (b"f('('", True),
        (b"f('(')", False),
        (b"# (", False),
        (b"'''a", True),
        (b"'''a\n'''", False),
        (b'"""\n"', True),
        (b"''", False),
        (b"'it\\'s('", False),
        (b"1 + \\", True),
        (b"if x:", True),
        (b"if x: y", True),
        (b"if x:\n  y\n", False),
        (b"iffy = 1", False),
        (b"@decorated", True),
        (b"async def f():", True),
        (b"'unfinished (", False),
        (b"'unfinished \\", True),
    ],
)
def test_statement_that_goes_on_is_told_from_one_that_is_whole(source: bytes, more: bool) -> None:
    assert needs_more(source) is more
