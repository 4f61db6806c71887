"""`twinslot transfer`."""

import hashlib
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ..host.carried import SEGMENT, applied

NOISE = random.Random(20261123).randbytes(3 * SEGMENT)
PAIRS = {
    "nothing": (b"", b""),
    "from nothing": (b"", b"x"),
    "to nothing": (b"x", b""),
    "one byte": (b"x", b"y"),
    "just less than a segment": (NOISE[: SEGMENT - 1], NOISE[1:SEGMENT]),
    "a segment": (NOISE[:SEGMENT], NOISE[1 : SEGMENT + 1]),
    "just more than a segment": (NOISE[: SEGMENT + 1], NOISE[1 : SEGMENT + 2]),
    "equal": (NOISE, NOISE),
    "unlike": (NOISE, random.Random(2).randbytes(3 * SEGMENT - 5)),
}


@pytest.fixture
def build(twinslot, tmp_path):
    """What the command printed of a transfer between these two files, and its path."""

    def built(old: bytes, new: bytes) -> tuple[dict, Path]:
        paths = [tmp_path / name for name in ("old", "new", "out")]
        for path, content in zip(paths, (old, new), strict=False):
            path.write_bytes(content)
        result = twinslot("transfer", "build", *paths[:2], "--out", paths[2], "--json")
        assert (result.code, result.err) == (0, "")
        return result.document, paths[2]

    return built


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_built_brings_the_new_file_to_who_has_the_old(twinslot, build, name):
    old, new = PAIRS[name]
    told, out = build(old, new)
    data = out.read_bytes()
    assert applied(data, old) == new
    assert (told["size"], told["image_size"], told["base_size"]) == (len(data), len(new), len(old))
    assert told["image_sha256"] == hashlib.sha256(new).hexdigest()
    shown = twinslot("transfer", "show", out, "--json").document
    assert shown["base_sha256"] == told["base_sha256"] == (hashlib.sha256(old).hexdigest() if old else None)
    assert shown["sha256"] == hashlib.sha256(data).hexdigest()
    assert shown["kinds"] == told["kinds"]
    assert sum(each["size"] for each in shown["segments"]) == len(new)


def test_programs_of_this_machine_are_brought_from_one_to_the_other(build):
    programs = [Path(sys.executable).resolve().read_bytes()[: 1 << 20]]
    programs.append(programs[0][: 1 << 19] + b"other words" + programs[0][(1 << 19) + 400 :])
    told, out = build(*programs)
    assert applied(out.read_bytes(), programs[0]) == programs[1]
    assert told["size"] < told["whole_size"] / 10


def test_table_names_each_segment(twinslot, build, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    _, out = build(NOISE, NOISE[:SEGMENT] + bytes(SEGMENT) + NOISE[: 2 * SEGMENT])
    words = " ".join(twinslot("transfer", "show", out).out.split())
    sums = [hashlib.sha256(piece).hexdigest()[:16] for piece in (NOISE[:SEGMENT], bytes(SEGMENT))]
    assert f"0 │ unchanged │ 65536 │ 0 │ {sums[0]}" in words
    assert "1 │ deflate │ 65536 │" in words and sums[1] in words
    assert hashlib.sha256(NOISE).hexdigest() in words


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: b"", "it ends at 0, within its head"),
        (lambda data: data[:50], "it ends at 50, within its index of 1 segments"),
        (lambda data: data[:-1], "segment 0, at 48 of the index: its 500 bytes at 64 run past the file's end at 563"),
        (lambda data: data + b"x", "1 bytes follow its end at 564"),
        (lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:], "segment 0, its payload at 64"),
        (lambda data: b"\xe9" + data[1:], "it does not begin with TWTR"),
    ],
)
def test_bad_transfer_exits_3_and_says_where(twinslot, build, change, told):
    _, out = build(b"", NOISE[:500])
    out.write_bytes(change(out.read_bytes()))
    result = twinslot("transfer", "show", out, "--json")
    assert (result.code, result.out) == (3, "")
    assert told in result.err and str(out) in result.err


def test_full_disk_leaves_nothing(tmp_path):
    old, new, out = (tmp_path / name for name in ("old", "new", "out"))
    old.write_bytes(b"old")
    new.write_bytes(NOISE)
    full = subprocess.run(
        [sys.executable, "-m", "twinslot_tools", "transfer", "build", old, new, "--out", out],
        stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (SEGMENT, SEGMENT)),
        check=False,
    )
    assert (full.returncode, b"File too large" in full.stderr) == (3, True)
    assert {path.name for path in tmp_path.iterdir()} == {"old", "new"}


OUTS = ["old", "new", "other", "folder", "loop", "nowhere", "to new", "/dev/null"]


@pytest.mark.parametrize("name", OUTS)
def test_what_lies_at_out_is_never_overwritten(twinslot, tmp_path, name):
    for each in ("old", "new", "other"):
        (tmp_path / each).write_bytes(each.encode())
    (tmp_path / "folder").mkdir()
    for link, target in (("loop", "loop"), ("nowhere", "absent"), ("to new", "new")):
        (tmp_path / link).symlink_to(target)
    before = {path.name for path in tmp_path.iterdir()}
    out = tmp_path / name
    result = twinslot("transfer", "build", tmp_path / "old", tmp_path / "new", "--out", out, "--json")
    assert (result.code, result.out) == (3, "")
    assert f"{out} exists, and is never overwritten: choose another --out" in result.err
    assert {path.name for path in tmp_path.iterdir()} == before
    assert [(tmp_path / each).read_bytes() for each in ("old", "new", "other")] == [b"old", b"new", b"other"]


def test_loop_of_links_is_named(twinslot, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_bytes(b"x")
    for arguments in (("loop", "file", "out"), ("file", "file", "loop/out")):
        old, new, out = (tmp_path / name for name in arguments)
        result = twinslot("transfer", "build", old, new, "--out", out)
        assert (result.code, "Too many levels of symbolic links" in result.err) == (3, True)
    assert {path.name for path in tmp_path.iterdir()} == {"loop", "file"}


@pytest.mark.parametrize("missing", ["old", "new", "folder"])
def test_file_that_is_not_there_exits_3(twinslot, tmp_path, missing):
    for name in {"old", "new"} - {missing}:
        (tmp_path / name).write_bytes(b"x")
    out = tmp_path / "no" / "out" if missing == "folder" else tmp_path / "out"
    result = twinslot("transfer", "build", tmp_path / "old", tmp_path / "new", "--out", out, "--json")
    assert (result.code, result.out, "No such file" in result.err) == (3, "", True)
    assert not out.exists()
    assert twinslot("transfer", "show", out).code == 3
