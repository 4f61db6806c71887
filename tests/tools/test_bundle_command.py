"""`twinslot bundle`, and what other commands make of a bundle."""

import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from twinslot_tools import manifests

APP = b"def main():\n    print('growing')\n"
FILES = {
    "app.py": APP,
    "beds/__init__.py": b"from .soil import MOIST\n",
    "beds/soil.py": b"MOIST = 40\n",
    "data/plants.csv": b"tomato,60\nbasil,40\n",
}


def mpy(version: int = 6, features: int = 0) -> bytes:
    return bytes([ord("M"), version, features, 31]) + b"\x02\x00"


def laid(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture
def garden(tmp_path: Path) -> Path:
    return laid(tmp_path / "garden", FILES)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "garden-1.0.0.tar.gz"


def opened(bundle: Path) -> tuple[dict, dict[str, bytes]]:
    """What `bundle.json` says, and the files, each of which it names rightly, in its order."""
    with tarfile.open(bundle, "r:gz") as tar:
        contents = [(member.name, tar.extractfile(member).read()) for member in tar.getmembers()]
    (first, told), *others = contents
    description = json.loads(told)
    named = [(f"files/{each['path']}", each["size"], each["sha256"]) for each in description["files"]]
    assert first == "bundle.json"
    assert named == [(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in others]
    return description, {name.removeprefix("files/"): content for name, content in others}


def test_sources_are_compiled_and_the_rest_stays(twinslot, garden, out) -> None:
    result = twinslot("bundle", garden, "--out", out, "--json")
    assert (result.code, result.err) == (0, "")
    description, files = opened(out)
    about = {name: value for name, value in description.items() if name != "files"}
    assert about == {"format": 1, "chip": None, "mpy": 6, "micropython": None, "security_version": 0}
    assert list(files) == ["app.mpy", "beds/__init__.mpy", "beds/soil.mpy", "data/plants.csv"]
    assert files["app.mpy"][:2] == b"M\x06" and b"growing" in files["app.mpy"]
    assert files["data/plants.csv"] == FILES["data/plants.csv"]
    told = result.document
    assert (told["file"], told["size"], told["mpy"], told["chip"]) == (str(out), out.stat().st_size, 6, None)
    assert told["files_size"] == sum(map(len, files.values()))
    assert [(each["path"], each["source"], each["compiled"]) for each in told["files"]][2:] == [
        ("beds/soil.mpy", "beds/soil.py", True),
        ("data/plants.csv", "data/plants.csv", False),
    ]


def test_table_shows_each_file_and_what_the_bundle_needs(twinslot, garden, out) -> None:
    result = twinslot("bundle", garden, "--out", out, "--chip", "ESP32-S3", "--micropython", "1.26")
    lines = result.out.splitlines()
    assert any("beds/soil.mpy" in line and "beds/soil.py, compiled" in line for line in lines)
    assert any("data/plants.csv" in line and f" {len(FILES['data/plants.csv'])} " in line for line in lines)
    assert "6.0 bytecode" in result.out and "ESP32-S3" in result.out and "1.26.0" in result.out


def test_same_files_make_the_same_bytes_wherever_they_lie(twinslot, garden, tmp_path, out) -> None:
    elsewhere = laid(tmp_path / "of somebody else" / "garden", dict(reversed(FILES.items())))
    for path in elsewhere.rglob("*"):
        path.chmod(0o700)
        os.utime(path, (1, 1))
    assert twinslot("bundle", garden, "--out", out).code == 0
    assert twinslot("bundle", elsewhere, "--out", tmp_path / "other.tar.gz").code == 0
    data = out.read_bytes()
    assert data == (tmp_path / "other.tar.gz").read_bytes()
    assert data[3:8] == bytes(5)  # of gzip's head: no flags, so no name, and no time
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as tar:
        owners = {(member.mtime, member.uid, member.gid, member.uname, member.gname, member.mode) for member in tar}
    assert owners == {(0, 0, 0, "", "", 0o644)}


def test_options_say_what_the_bundle_needs(twinslot, garden, out) -> None:
    needs = ("--chip", "esp32c3", "--micropython", "1.26.1", "--security-version", 3, "--source")
    assert twinslot("bundle", garden, "--out", out, *needs).code == 0
    description, files = opened(out)
    assert files == FILES
    about = [description[name] for name in ("chip", "mpy", "micropython", "security_version")]
    assert about == [5, 0, "1.26.1", 3]


def test_native_code_that_lies_there_decides_the_format(twinslot, garden, out) -> None:
    laid(garden, {"fast.mpy": mpy(6, 10 << 2 | 3)})
    assert twinslot("bundle", garden, "--out", out).code == 0
    assert opened(out)[0]["mpy"] == 6 | (10 << 2 | 3) << 8


@pytest.mark.parametrize(("chip", "format"), [("esp32s3", 6 | 0x2B << 8), ("esp32c3", 6 | 0x2F << 8)])
def test_native_code_is_compiled_for_the_chip_that_is_named(twinslot, garden, out, chip, format) -> None:
    laid(garden, {"fast.py": b"import micropython\n@micropython.viper\ndef f(x: int) -> int:\n    return x\n"})
    assert "give --chip" in twinslot("bundle", garden, "--out", out).err
    assert twinslot("bundle", garden, "--out", out, "--chip", chip).code == 0
    assert opened(out)[0]["mpy"] == format


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"old.mpy": mpy(5)}, ("6.0 bytecode", "5.0 bytecode", "old.mpy")),
        (
            {"a.mpy": mpy(6, 10 << 2 | 3), "b.mpy": mpy(6, 11 << 2 | 3)},
            ("6.3 xtensawin", "6.3 rv32imc", "a.mpy", "b.mpy"),
        ),
    ],
    ids=["versions", "architectures"],
)
def test_formats_that_no_board_has_together_are_both_named(twinslot, garden, out, files, named) -> None:
    laid(garden, files)
    result = twinslot("bundle", garden, "--out", out)
    assert result.code == 3 and not out.exists()
    for each in named:
        assert each in result.err


def test_what_is_ignored_stays_out(twinslot, garden, out) -> None:
    ignored = b"\xef\xbb\xbf# for people\n*.md\n/tests/\n!keep.md\n"
    others = {
        "README.md": b"",
        "tests/main.py": b"",
        "tests/.twinslotignore": b"",
        "keep.md": b"kept\n",
        ".git/HEAD": b"ref",
        ".env": b"PASSWORD=secret\n",
        "beds/.DS_Store": b"",
        ".venv/lib/site.py": b"print 2\n",
        "beds/__pycache__/soil.cpython-311.pyc": b"",
        ".twinslotignore": ignored,
    }
    (laid(garden, others) / "tests" / "link").symlink_to("/etc/passwd")
    result = twinslot("bundle", garden, "--out", out)
    assert result.code == 0, result.err
    assert set(opened(out)[1]) == {"app.mpy", "beds/__init__.mpy", "beds/soil.mpy", "data/plants.csv", "keep.md"}


def test_what_begins_with_a_dot_comes_when_it_is_named(twinslot, garden, out) -> None:
    laid(garden, {".twinslotignore": b"!.conf/\n!.twinslotignore\n", ".conf/.beds": b"", ".conf/beds": b"3\n"})
    assert twinslot("bundle", garden, "--out", out).code == 0
    assert [name for name in opened(out)[1] if name[0] == "."] == [".conf/beds"]


KEY = b"-----BEGIN PRIVATE KEY-----\nMIIG\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("main.py", b"", "call yours app.py"),
        ("MAIN/x.txt", b"", "call yours app.py"),
        ("boot.py", b"", "move the code into app.py"),
        ("twinslot/agent.py", b"", "provision"),
        ("twinslot.json", b"{}", "with its key"),
        ("conf/twinslot.json", b"{}", "with its key"),
        ("data/publisher.pem", KEY, "holds a private key"),
        ("io.py", b"", "place of MicroPython's `io`, which updates need; rename it, or put it in a folder"),
        ("asyncio/core.py", b"", "place of MicroPython's `asyncio`"),
        ("straße.txt", b"", "rename it"),
        ("back\\slash", b"", "rename it"),
        ("a/b/c/d/e/f/g/h/i", b"", "rename it"),
        ("x" * 129, b"", "rename it"),
        ("x" * 126 + ".py", b"", "128"),
        ("APP.py", b"", "rename one"),
        ("Data", b"", "rename one"),
        ("beds/soil.mpy", mpy(), "remove the other"),
        ("beds/.twinslotignore", b"*", "move its patterns there"),
        ("broken.py", b"def main(:\n", "does not compile"),
        ("no.mpy", b"PK", "mpy-cross"),
        (".twinslotignore", b"\xff", "no text in UTF-8"),
        (".twinslotignore", b"*.md\n!\n", "line 2, '!', is no pattern"),
        (".twinslotignore", b"***[z-a]\n", "line 1, '***[z-a]', is no pattern"),
        ("app/__init__.py", b"", "a board would import that folder"),
    ],
)
def test_what_no_board_should_get_is_refused_with_the_way_out(twinslot, garden, out, name, content, said) -> None:
    laid(garden, {name: content})
    result = twinslot("bundle", garden, "--out", out)
    assert (result.code, result.out) == (3, ""), result.err
    assert said in result.err and not out.exists()


def test_source_that_does_not_compile_is_refused_when_it_stays_source_too(twinslot, garden, out) -> None:
    laid(garden, {"broken.py": b"def main(:\n"})
    result = twinslot("bundle", garden, "--source", "--out", out)
    assert (result.code, "does not compile" in result.err, out.exists()) == (3, True, False)


def test_links_and_pipes_are_refused_by_name(twinslot, garden, out) -> None:
    (garden / "link.py").symlink_to(garden / "app.py")
    assert "link.py is a link" in twinslot("bundle", garden, "--out", out).err
    (garden / "link.py").unlink()
    (garden / "linked").symlink_to(garden / "beds")
    assert "linked is a link" in twinslot("bundle", garden, "--out", out).err
    (garden / "linked").unlink()
    os.mkfifo(garden / "pipe")
    assert "pipe is no ordinary file" in twinslot("bundle", garden, "--out", out).err


def test_folder_without_files_or_none_at_all_is_refused(twinslot, tmp_path, out) -> None:
    (tmp_path / "empty").mkdir()
    laid(tmp_path, {"app.py": APP})
    wrong = {"empty": "has no files", "missing": "missing is no folder", "app.py": "app.py is no folder"}
    for folder, said in ((tmp_path / name, said) for name, said in wrong.items()):
        result = twinslot("bundle", folder, "--out", out)
        assert (result.code, said in result.err) == (3, True), result.err


def test_more_than_a_board_can_list_or_hold_is_refused(twinslot, garden, out) -> None:
    laid(garden, {f"many/{number:0100}": b"" for number in range(60)})
    advice = "Name what is not for the board in .twinslotignore"
    result = twinslot("bundle", garden, "--out", out)
    assert "the list of its 64 files has" in result.err and "a board takes 8192" in result.err and advice in result.err
    shutil.rmtree(garden / "many")
    laid(garden, {"large": bytes(16 << 20)})
    assert advice in twinslot("bundle", garden, "--out", out).err


@pytest.mark.parametrize(("name", "warns"), [("app.mpy", False), ("app/__init__.py", False), ("kettle.py", True)])
def test_bundle_without_an_application_is_made_with_a_warning(twinslot, tmp_path, out, name, warns) -> None:
    folder = laid(tmp_path / "kettle", {name: mpy() if name.endswith("mpy") else b""})
    result = twinslot("bundle", folder, "--out", out, "--json")
    assert (result.code, "the board's own `app` runs" in result.err) == (0, warns)


@pytest.mark.parametrize(
    ("source", "warns"),
    [
        (b"print('hot')\n", True),
        (b"async def main():\n    pass\n", True),
        (b"import lib.main\n", True),
        (b"if True:\n    def main():\n        pass\n", False),
        (b"from lib.kettle import run as main\n", False),
        (b"from lib.kettle import *\n", False),
        (b"main = print\n", False),
    ],
)
def test_application_that_no_board_can_start_is_made_with_a_warning(twinslot, tmp_path, out, source, warns) -> None:
    result = twinslot("bundle", laid(tmp_path / "kettle", {"app.py": source}), "--source", "--out", out)
    assert (result.code, "has no `def main()`" in result.err, out.exists()) == (0, warns, True)


def test_app_folder_without_its_module_is_refused(twinslot, tmp_path, out) -> None:
    result = twinslot("bundle", laid(tmp_path / "kettle", {"app/main.py": APP}), "--out", out)
    assert (result.code, "has no __init__.py" in result.err, out.exists()) == (3, True, False)


@pytest.mark.parametrize(("name", "warns"), [("lib/helper.py", True), ("lib/a.txt", False), ("beds/lib/a.py", False)])
def test_modules_where_no_import_finds_them_are_warned_of(twinslot, garden, out, name, warns) -> None:
    result = twinslot("bundle", laid(garden, {name: b""}), "--out", out)
    assert (result.code, "`import lib.NAME`" in result.err) == (0, warns)


def test_arguments_that_cannot_be_are_refused(twinslot, garden, out, tmp_path, monkeypatch) -> None:
    assert "esp32s3" in twinslot("bundle", garden, "--out", out, "--chip", "esp8266").err
    for version in ("1", "1.26.x", "1.300", "v1.26"):
        assert twinslot("bundle", garden, "--out", out, "--micropython", version).code == 2
    assert twinslot("bundle", garden, "--out", garden / "garden.tar.gz").code == 2
    monkeypatch.chdir(garden)
    assert "--out" in twinslot("bundle", ".").err
    monkeypatch.chdir(tmp_path)
    assert twinslot("bundle", "garden").code == 0 and (tmp_path / "garden.tar.gz").exists()
    again = twinslot("bundle", "garden")
    assert (again.code, "never overwritten" in again.err) == (3, True)


def test_bundle_is_signed_and_verified_as_what_it_is(twinslot, garden, out, tmp_path, publisher) -> None:
    made = twinslot("bundle", garden, "--out", out, "--chip", "esp32", "--micropython", "1.26", "--json").document
    manifest, specification = tmp_path / "m", tmp_path / "s.json"
    specification.write_text('{"moist": 50}')
    ask = ("sign", out, "--app", "garden", "--version", "1.0.0", "--key", publisher)
    signed = twinslot(*ask, "--out", manifest, "--json").document
    told = ("a bundle", made["list_sha256"], made["chip"])
    assert (signed["carries"], signed["list_sha256"], signed["chip"]) == told
    assert (signed["mpy"], signed["micropython"], signed["security_version"]) == (6, "1.26.0", 0)
    check = ("verify", manifest, tmp_path / "m.sig", "--key", f"{publisher}.pub", "--image")
    assert twinslot(*check, out, "--json").document["list_sha256"] == made["list_sha256"]
    words = twinslot(*check, out).out
    assert "6.0 bytecode" in words and "ESP32" in words
    other = tmp_path / "other.tar.gz"
    twinslot("bundle", garden, "--out", other, "--source")
    assert "is not of" in twinslot(*check, other).err
    both = twinslot(*ask, "--specification", specification, "--out", tmp_path / "both", "--json").document
    assert (both["carries"], both["specification_size"]) == ("a bundle and a specification", 12)


VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "bundles.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["good"], ids=lambda vector: vector["why"])
def test_list_and_transfer_are_those_of_the_wire_examples(twinslot, tmp_path, out, vector) -> None:
    folder = laid(tmp_path / "files", {each["path"]: bytes.fromhex(each["content"]) for each in vector["files"]})
    laid(folder, {".twinslotignore": b"!.*\n"})
    made = twinslot("bundle", folder, "--out", out, "--source", "--json")
    assert made.document["list_sha256"] == vector["sha256"], made.err
    assert twinslot("transfer", "build", out, "--out", tmp_path / "transfer").code == 0
    assert (tmp_path / "transfer").read_bytes() == base64.b64decode(vector["transfer"])


@pytest.mark.parametrize("vector", VECTORS["manifests"], ids=lambda vector: str(vector["fields"]["kind"]))
def test_manifests_of_the_wire_examples_are_told_in_words(vector) -> None:
    fields = vector["fields"]
    told = manifests.told(bytes.fromhex(vector["bytes"]))
    assert told["carries"] == {8: "a bundle", 10: "a bundle and a specification"}[fields["kind"]]
    assert told["chip"] == (None if fields["chip"] == 0xFFFF else fields["chip"])
    version = ".".join(map(str, fields["micropython"])) if any(fields["micropython"]) else None
    assert (told["mpy"], told["micropython"]) == (fields["mpy"], version)
    assert (told["list_size"], told["list_sha256"]) == (fields["size"], fields["sha256"])
    for name in ("app", "version", "sequence", "security_version"):
        assert told[name] == fields[name]


def test_archive_of_another_kind_is_refused_by_what_takes_bundles(twinslot, out, tmp_path, publisher) -> None:
    with tarfile.open(out, "w:gz") as tar:
        tar.add(publisher, "publisher.pem")
    asked = ("--app", "garden", "--version", "1.0.0", "--out", tmp_path / "m")
    result = twinslot("sign", out, *asked)
    assert (result.code, "its tar begins with 'publisher.pem', where bundle.json is" in result.err) == (3, True)
    neither = twinslot("sign", publisher, *asked)
    assert (neither.code, "nor a bundle" in neither.err) == (3, True)


def test_damaged_bundle_is_called_so_by_what_takes_bundles(twinslot, garden, out, tmp_path) -> None:
    twinslot("bundle", garden, "--out", out)
    damaged = bytearray(out.read_bytes())
    damaged[100] ^= 1
    out.write_bytes(damaged)
    to = ("--out", tmp_path / "x")
    for asked in (("sign", out, "--app", "garden", "--version", "1.0.0", *to), ("transfer", "build", out, *to)):
        result = twinslot(*asked)
        assert (result.code, "its gzip is damaged" in result.err) == (3, True), result.err


@pytest.mark.parametrize("signer", ["publisher", "server"])
def test_bundle_is_published(twinslot, signed_in, garden, out, publisher, signer) -> None:
    app = f"garden-{signer}"
    trust = ("--trust", "publisher", "--key", f"{publisher}.pub") if signer == "publisher" else ()
    assert twinslot("group", "create", app, "--app", app, *trust).code == 0
    made = twinslot("bundle", garden, "--out", out, "--json").document
    key = ("--key", publisher) if signer == "publisher" else ()
    published = twinslot("publish", out, "--app", app, "--version", "1.0.0", *key, "--json")
    assert published.code == 0, published.err
    assert "mpy=6.0 bytecode" in twinslot("publish", out, "--app", app, "--version", "1.0.1", *key).out
    assert (published.document["signed_by"] == "server") == (signer == "server")
    assert published.document["bundle"]["sha256"] == made["list_sha256"]


def test_transfer_of_a_bundle_shows_its_files_and_their_shares(twinslot, garden, out, tmp_path) -> None:
    laid(garden, {"data/long.txt": b"tomato " * 1000})
    made = twinslot("bundle", garden, "--out", out, "--json").document
    transfer = tmp_path / "garden.transfer"
    built = twinslot("transfer", "build", out, "--out", transfer, "--json").document
    assert (built["size"], built["list_sha256"]) == (transfer.stat().st_size, made["list_sha256"])
    shown = twinslot("transfer", "show", transfer, "--json").document
    assert {name: shown[name] for name in built if name != "file"} == {n: v for n, v in built.items() if n != "file"}
    assert [each["path"] for each in shown["files"]] == [each["path"] for each in made["files"]]
    long = shown["files"][3]
    assert (long["size"], long["bytes"] < 100, long["bytes"] > 0) == (7000, True, True)
    table = twinslot("transfer", "show", transfer).out
    assert f"{100 * long['bytes'] / shown['size']:.1f} %" in table
    damaged = bytearray(transfer.read_bytes())
    damaged[-1] ^= 1
    transfer.write_bytes(damaged)
    result = twinslot("transfer", "show", transfer)
    assert (result.code, "not what the list names" in result.err) == (3, True)
    not_one = twinslot("transfer", "build", transfer, "--out", tmp_path / "x")
    assert (not_one.code, "NEW" in not_one.err) == (2, True)
    for pair in ((transfer, out), (out, transfer), (out, out)):
        result = twinslot("transfer", "build", *pair, "--out", tmp_path / "x")
        assert (result.code, "is given alone" in result.err, (tmp_path / "x").exists()) == (2, True, False)
