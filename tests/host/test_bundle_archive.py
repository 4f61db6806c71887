"""Bundles as they are uploaded: what is not right in every part is refused, with the reason."""

import gzip
import json
import random
import tarfile

import pytest

from twinslot_host.domain import bundle_archive, bundle_transfer
from twinslot_host.domain.bundle import BundleError
from twinslot_host.domain.bundle_archive import NoBundle

from .bundles import FILES, described, listed, make_bundle, member, members_of, packed, unpacked

SEED = 20261124
GOOD = make_bundle()
ONE = {"app.py": b"LITRES = 1.7\n"}


def described_as(text: str | bytes) -> bytes:
    return packed([member("bundle.json", text.encode() if isinstance(text, str) else text), *members_of(FILES)[1:]])


def with_row(**changed) -> bytes:
    told = described(ONE)
    told["files"][0] |= changed
    return packed([member("bundle.json", json.dumps(told).encode()), *members_of(ONE)[1:]])


def without(name: str) -> bytes:
    told = described(FILES)
    del told[name]
    return described_as(json.dumps(told))


LINK = [*members_of(ONE)[:1], member("files/app.py", kind=tarfile.SYMTYPE, link="/etc/passwd")]
HOLES = member("files/app.py", ONE["app.py"])
HOLES[0].pax_headers = {"GNU.sparse.map": "0,13", "GNU.sparse.size": "13"}
REVERSED = dict(reversed(FILES.items()))
MANY = {f"{number:03}" + "x" * 125: b"" for number in range(50)}
BAD = {
    "no description": (packed(members_of(FILES)[1:]), "begins with 'files/app/__init__.py', where bundle.json"),
    "nothing": (packed([]), "its tar is empty"),
    "a description that is no JSON": (described_as("{"), "no JSON document"),
    "a description that is not UTF-8": (described_as(b'"\xff"'), "no JSON document"),
    "a description that is nested": (described_as("[" * 60000), "no JSON document"),
    "a description that is no object": (described_as("[]"), "is no object of"),
    "a description that is too long": (described_as(" " * 65537), "where 65536 can be"),
    "no chip": (without("chip"), "is no object of"),
    "an unknown member": (make_bundle(colour="red"), "and nothing else"),
    "format 2": (make_bundle(format=2), "is not of format 1"),
    "format true": (make_bundle(format=True), "is not of format 1"),
    "a chip as text": (make_bundle(chip="esp32"), "chip in its bundle.json is 'esp32'"),
    "a chip that is none": (make_bundle(chip=0xFFFF), "chip in its bundle.json is '65535'"),
    "no number as a format": (make_bundle(mpy=None), "mpy in its bundle.json is 'None'"),
    "a format of 17 bits": (make_bundle(mpy=1 << 16), "mpy in its bundle.json"),
    "a security version below 0": (make_bundle(security_version=-1), "security_version in its bundle.json"),
    "a security version that is true": (make_bundle(security_version=True), "security_version in its bundle.json"),
    "a MicroPython without its last number": (make_bundle(micropython="1.26"), "no version such as 1.26.0"),
    "a MicroPython as a number": (make_bundle(micropython=1.26), "no version such as 1.26.0"),
    "files that are no list": (make_bundle(files={}), "files.0 in its bundle.json is no object"),
    "no files": (make_bundle({}), "it has no files"),
    "a file that is no object": (make_bundle(files=["app.py"]), "files.0 in its bundle.json is no object"),
    "a file with an unknown member": (with_row(mode=0o644), "files.0 in its bundle.json is no object"),
    "a path that is no text": (with_row(path=1), "has no text as path"),
    "a hash in upper case": (with_row(sha256="A" * 64), "no SHA-256 in lower case"),
    "a hash that is another": (with_row(sha256="0" * 64), "'app.py' has another size or SHA-256"),
    "a size of a byte more": (with_row(size=14), "'app.py' has another size or SHA-256"),
    "a size of a byte less": (with_row(size=12), "'files/app.py' has 13 bytes, where 12 can be"),
    "a size above 16 MiB": (with_row(size=(1 << 24) + 1), "size in its bundle.json"),
    "sizes above 16 MiB together": (
        make_bundle(files=[{"path": path, "size": 1 << 24, "sha256": "0" * 64} for path in ("a", "b")]),
        "more than 16777216 bytes",
    ),
    "a list of more than 8192 bytes": (make_bundle(MANY), "50 files has 8258 bytes, and a board takes 8192"),
    "paths that are not in order": (make_bundle(REVERSED), "in the order of their bytes"),
    "a path that leads out": (make_bundle({"../app.py": b""}), "is no relative path"),
    "a path that is absolute": (make_bundle({"/app.py": b""}), "is no relative path"),
    "a path that is not ASCII": (make_bundle({"küche.py": b""}), "printable ASCII"),
    "a path with half of a surrogate pair": (with_row(path="\ud800"), "printable ASCII"),
    "what decides how a board starts": (make_bundle({"Boot.py": b""}), "no board takes 'Boot.py'"),
    "the list's own name": (make_bundle({".list": b""}), "no board takes '.list'"),
    "paths that differ in case alone": (make_bundle({"APP.py": b"1", "app.py": b"2"}), "can't lie side by side"),
    "a file where a folder is, in other letters": (
        make_bundle({"LIB": b"1", "lib/a.py": b"2"}),
        "'lib/a.py' and 'LIB'",
    ),
    "a symbolic link": (packed(LINK), "is a folder, a link or a device"),
    "a hard link": (packed([*LINK[:1], member("files/app.py", kind=tarfile.LNKTYPE, link="x")]), "is a folder, a link"),
    "a device": (packed([*LINK[:1], member("files/app.py", kind=tarfile.CHRTYPE)]), "is a folder, a link or a device"),
    "a folder": (packed([*LINK[:1], member("files/app.py", kind=tarfile.DIRTYPE)]), "is a folder, a link or a device"),
    "a file with holes": (packed([*LINK[:1], HOLES], tarfile.PAX_FORMAT), "is a folder, a link or a device"),
    "a member that is not there": (packed(members_of(FILES)[:-1]), "nothing where 'files/data/table.bin' comes next"),
    "members in another order": (
        packed([members_of(FILES)[0], *members_of(FILES)[:0:-1]]),
        "'files/data/table.bin' where 'files/app/__init__.py' comes next",
    ),
    "a member more": (packed([*members_of(FILES), member("files/extra", b"x")]), "it holds 'files/extra'"),
    "a member twice": (packed([*members_of(FILES), members_of(FILES)[1]]), "it holds 'files/app/__init__.py'"),
    "a gzip that ends early": (GOOD[:-9], "its gzip ends early"),
    "a gzip with a wrong checksum": (GOOD[:-8] + bytes(4) + GOOD[-4:], "its gzip is damaged"),
    "bytes after the gzip": (GOOD + b"\0", "1 bytes follow the end of its gzip"),
    "a tar that is cut": (gzip.compress(gzip.decompress(GOOD)[:3000], mtime=0), "its tar is damaged"),
    "64 MiB of zeros": (
        gzip.compress(gzip.decompress(packed(members_of(FILES)))[:10240] + bytes(1 << 26), 1),
        "its archive has 17825792 bytes or more",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_bundle_is_refused_with_the_reason(name):
    data, reason = BAD[name]
    with pytest.raises(BundleError) as refused:
        bundle_archive.parse(data)
    assert str(refused.value).startswith("bundle: ")
    assert reason in str(refused.value)


@pytest.mark.parametrize("layout", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_good_bundle_is_known_and_read_in_every_format_of_tar(layout):
    data = packed(members_of(FILES, chip=9, mpy=0x2B06, micropython="1.26.1", security_version=3), layout)
    made = bundle_archive.parse(data)
    assert (made.chip, made.mpy, made.micropython, made.security_version) == (9, 0x2B06, (1, 26, 1), 3)
    assert (made.listing, made.contents) == (listed(FILES), tuple(FILES.values()))
    transfer = bundle_transfer.build(made.listing, made.contents)
    assert unpacked(transfer) == (listed(FILES), list(FILES.values()))
    assert len(transfer) < len(b"".join(FILES.values()))


def test_bundle_at_its_limits_is_read():
    files = {"a/b/c/d/e/f/g/" + "h" * 114: bytes(1 << 23), "z": bytes(1 << 23)}
    assert [each.size_bytes for each in bundle_archive.parse(make_bundle(files)).entries] == [1 << 23, 1 << 23]


OTHERS = {
    "an empty gzip": gzip.compress(b""),
    "a text": gzip.compress(b"a text"),
    "no tar": gzip.compress(b"bundle.json".ljust(512, b"\0")),
    "a tar that begins with another file": packed([member("data.json", b"{}"), member("bundle.json", b"{}")]),
    "two gzips, as some logs are": gzip.compress(b"a text") * 2,
    "64 MiB of zeros": gzip.compress(bytes(1 << 26), 1),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_content_is_no_bundle(name):
    with pytest.raises(NoBundle):
        bundle_archive.parse(OTHERS[name])


def header(kind: bytes, size: bytes) -> bytes:
    """A head of a tar's member of that kind, whose size is told by these 12 bytes."""
    head = bytearray(tarfile.TarInfo("bundle.json").tobuf(tarfile.USTAR_FORMAT))
    head[156:157], head[124:136], head[148:156] = kind, size, b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def sparse() -> bytes:
    info, _ = member("bundle.json")
    info.pax_headers = {"GNU.sparse.map": "a,b", "GNU.sparse.size": "1"}
    return gzip.decompress(packed([(info, b"")], tarfile.PAX_FORMAT))


WEIRD = {
    "heads without end": header(b"x", b"%011o\0" % 0) * 5000,
    "a head of a size beyond all numbers": header(b"x", b"\x80" + b"\xff" * 11) + bytes(1024),
    "a map of holes that is none": sparse(),
}


@pytest.mark.parametrize("name", WEIRD)
def test_tar_that_no_tool_makes_is_no_bundle(name):
    data = gzip.compress(WEIRD[name])
    with pytest.raises(NoBundle):
        bundle_archive.parse(data)


def test_damaged_tar_is_refused_and_nothing_else_happens():
    chance, tar = random.Random(SEED), gzip.decompress(packed(members_of(FILES), tarfile.PAX_FORMAT))
    paxed = gzip.decompress(
        packed([member("bundle.json", b"{}"), member("files/" + "ü" * 120, b"x")], tarfile.PAX_FORMAT)
    )
    for number in range(2000):
        data = bytearray(chance.choice((tar, paxed)))
        for _ in range(chance.randrange(1, 6)):
            at = 512 * chance.randrange(len(data) // 512) + chance.randrange(512)
            data[at] = chance.randrange(256)
        try:
            made = bundle_archive.parse(gzip.compress(bytes(data), 1))
        except BundleError:
            continue
        assert made.contents == tuple(FILES.values()), f"seed {SEED}, number {number}"
