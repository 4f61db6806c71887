"""What is pure of operations: a command's words, output and its bounds, the outcome's record, which files are shown."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinslot import commandline, outcome
from twinslot.output import Output, clipped
from twinslot.paths import is_secret, whole_path

ORDER = {"id": "0" * 36, "attempt": 2, "kind": "command"}
REPORT = {
    "id": "0" * 36,
    "attempt": 4,
    "part": 4_294_967_295,
    "state": "timed out",
    "output": "",
    "errors": "",
    "cut": False,
    "progress": 100,
    "exit_code": -1000,
    "reason": "",
}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("date", ["date"]),
        ("  ls\t-l   /lib ", ["ls", "-l", "/lib"]),
        ("say 'one word' two", ["say", "one word", "two"]),
        ('say "it\'s" "a \\"b\\" \\\\ \\n"', ["say", "it's", 'a "b" \\ \\n']),
        ("say a\\ b \\' \\\\ \\|", ["say", "a b", "'", "\\", "|"]),
        ("say '' \"\" x''y", ["say", "", "", "xy"]),
        ("say 'a'\"b\"c", ["say", "abc"]),
        ("say '|&;<>`$*()' \"|&;<>`$*()\"", ["say", "|&;<>`$*()", "|&;<>`$*()"]),
        ("say 'a\\' \u20ac ~ # ? [a] {b} !", ["say", "a\\", "\u20ac", "~", "#", "?", "[a]", "{b}", "!"]),
    ],
)
def test_command_is_split_as_a_shell_does_it(text: str, words: list[str]) -> None:
    assert commandline.split(text) == words


@pytest.mark.parametrize(
    "text", ["", " \t ", "say 'a", 'say "a', "say \\", 'say "a\\"', *(f"a{c}b" for c in "|&;<>`$*()\n")]
)
def test_what_only_a_shell_has_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        commandline.split(text)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=5))
def test_quoted_words_come_out_as_they_were(words: list[str]) -> None:
    quoted = " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words)
    assert commandline.split(quoted) == words


def cost(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


@given(st.lists(st.text(max_size=50), max_size=20), st.integers(6, 100))
def test_what_is_taken_in_parts_is_what_was_written_and_each_part_fits(texts: list[str], limit: int) -> None:
    output = Output(10_000)
    for text in texts:
        output.write(text)
    parts = []
    while len(output):
        parts.append(output.take(limit))
        assert 0 < cost(parts[-1]) <= limit
    assert "".join(parts) == "".join("?" if "\ud800" <= c < "\ue000" else c for c in "".join(texts))
    assert not output.cut


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.integers(0, 100))
def test_end_and_beginning_are_the_whole(text: str, limit: int) -> None:
    output = Output(10_000)
    output.write(text)
    end = output.take_end(limit)
    assert cost(end) <= limit
    assert output.take(100_000) + end == text


@given(st.lists(st.text(max_size=50), max_size=20), st.integers(0, 100))
def test_output_holds_no_more_than_its_bound_and_says_what_was_lost(texts: list[str], limit: int) -> None:
    output = Output(limit)
    written = ""
    for text in texts:
        output.write(text)
        assert len(output) <= limit
        written += "".join("?" if "\ud800" <= c < "\ue000" else c for c in text)
    assert output.cut == (len(output) < len(written.encode()))
    if not output.cut:
        assert output.take(10_000) == written


def test_text_that_is_cut_ends_with_a_whole_letter_and_none_of_the_rest_is_copied() -> None:
    output = Output(10)
    text = "\u20ac" * 1_000_000
    tracemalloc.start()
    output.write(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000
    assert (output.take(100), output.cut) == ("\u20ac" * 3, True)


def test_half_of_a_surrogate_pair_is_a_question_mark() -> None:
    assert clipped("a\ud800b\U0001f4a7", 100) == "a?b\U0001f4a7"


def test_outcome_of_the_longest_report_fits_and_comes_back() -> None:
    report = {**REPORT, "output": "\0" * 85, "errors": "\n" * 128, "reason": "\0" * 33}
    assert cost(report["output"]) <= outcome.OUTPUT_BYTES
    data = outcome.over(report, False)
    assert len(data) <= 1280
    assert outcome.untold(data, 1) == report


def test_operation_that_ends_with_the_boot_tells_its_reset_cause() -> None:
    told = outcome.untold(outcome.over({**REPORT, "output": "a\n"}, True), 2)
    assert told == {**REPORT, "output": "a\nrestarted: reset cause 2\n"}


@pytest.mark.parametrize("data", [outcome.begun(ORDER), b"", b"{}", b"[]", b"5", b"\xff", b'{"state": "failed"}', b"{"])
def test_nothing_is_told_of_what_has_not_ended(data: bytes) -> None:
    assert outcome.untold(data, 1) is None


@pytest.mark.parametrize(
    ("path", "folder", "whole"),
    [
        ("a", "/", "/a"),
        ("a", "/lib", "/lib/a"),
        ("../a", "/lib", "/a"),
        ("../../a/./b//c/", "/lib", "/a/b/c"),
        ("/..", "/lib", "/"),
        ("", "/lib", "/lib"),
    ],
)
def test_path_is_made_whole(path: str, folder: str, whole: str) -> None:
    assert whole_path(path, folder) == whole


@pytest.mark.parametrize(
    "path",
    [
        "twinslot.json",
        "/twinslot.json",
        "//twinslot.json/",
        "./twinslot.json",
        "lib/../twinslot.json",
        "../twinslot.json",
        "TwinSlot.JSON",
        "twinslot.json\0x",
        "twinslot.json\0/x",
        "x\0/../twinslot.json",
        "twinslot.json.",
        "TWINSL~1.JSO",
    ],
)
def test_configuration_is_known_by_any_path(path: str) -> None:
    assert is_secret(whole_path(path, "/"))


@pytest.mark.parametrize("path", ["twinslot.jsonx", "lib/twinslot.json", "lib/twinslot/config.mpy", "main.py", ""])
def test_other_files_are_none_of_the_configuration(path: str) -> None:
    assert not is_secret(whole_path(path, "/"))
