"""What a package.json comes to, and which address is which origin's: the pure parts."""

import json

import pytest

from twinslot.document import Document
from twinslot.errors import PackageError
from twinslot.mip import Plan
from twinslot.uris import redirected, split

RAW = "https://raw.githubusercontent.com"
PI = "https://micropython.org/pi/v2"


def plan_of(uri: str, **documents: object) -> Plan:
    """The whole plan, with the documents by the beginnings of their last folder's name."""
    plan = Plan(uri, "")
    while plan.unread:
        address, branch, _ = plan.unread.pop()
        for part in parts(json.dumps(documents[address.split("/")[-2]]).encode()):
            plan.read(address, branch, part)
        plan.end()
    plan.check()
    return plan


def parts(data: bytes, size: int = 512) -> list[dict[str, object]]:
    """What a document that comes in pieces of that size is made of."""
    document = Document()
    made = [part for at in range(0, len(data), size) for part in document.add(memoryview(data[at : at + size]))]
    document.end()
    return made


def files(plan: Plan) -> dict[str, tuple[str, str]]:
    """Address and hash by path."""
    return {path: (uri, start) for path, uri, start in plan.files}


@pytest.mark.parametrize(
    ("uri", "document"),
    [
        ("http://h/x", "http://h/x/package.json"),
        ("http://h/x/", "http://h/x/package.json"),
        ("http://h/x?key=1", "http://h/x/package.json?key=1"),
        ("http://h/x.json?key=1", "http://h/x.json?key=1"),
        ("/device/v1/packages/7?expires=1&key=2", "/device/v1/packages/7?expires=1&key=2"),
        ("github:a/b", f"{RAW}/a/b/HEAD/package.json"),
        ("github:a/b/c/d.json", f"{RAW}/a/b/HEAD/c/d.json"),
        ("gitlab:a/b/c", "https://gitlab.com/a/b/-/raw/HEAD/c/package.json"),
    ],
)
def test_address_of_a_package_is_completed(uri: str, document: str) -> None:
    assert Plan(uri, "").unread == [(document, "", "")]


def test_files_are_addressed_as_mip_does() -> None:
    urls = [["a.py", "a.py"], ["b.py", "src/b.py"], ["c.py", "github:o/r/c.py"], ["d.py", "https://h/d.py"]]
    plan = plan_of("github:x/y", HEAD={"urls": urls, "deps": [["github:z/w", "v2"]]}, v2={"urls": [["e.py", "e.py"]]})
    assert {path: uri for path, (uri, _) in files(plan).items()} == {
        "a.py": f"{RAW}/x/y/HEAD/a.py",
        "b.py": f"{RAW}/x/y/HEAD/src/b.py",
        "c.py": f"{RAW}/o/r/HEAD/c.py",
        "d.py": "https://h/d.py",
        "e.py": f"{RAW}/z/w/v2/e.py",
    }


def test_dependency_of_an_index_is_looked_for_in_the_same_index_for_the_same_interpreter() -> None:
    one = {"hashes": [["one/__init__.mpy", "0123456789"]], "deps": [["two", "latest"], ["two", ""]]}
    plan = plan_of(f"{PI}/package/6/one/1.2.json", one=one, two={"hashes": [["two.mpy", "abcdef01"]]})
    assert files(plan) == {
        "one/__init__.mpy": (f"{PI}/file/01/0123456789", "0123456789"),
        "two.mpy": (f"{PI}/file/ab/abcdef01", "abcdef01"),
    }
    assert (plan.modules(), plan.digest() != "") == (["one", "two"], True)


DOCUMENT = {
    "urls": [["a.py", 'x"],\\"[{'], ["b.py", "y"]],
    "sha256": {"a.py": "00", "b,]}.py": "11"},
    "version": "1",
    "none": [],
    "deep": {"a": [{"b": [1, 2]}], "c": None},
    "number": 5,
}


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("indent", [None, 2])
def test_document_in_parts_has_all_that_the_whole_has(size: int, indent: int | None) -> None:
    """... apart from empty lists."""
    assert parts(json.dumps(DOCUMENT, indent=indent).encode(), size) == [
        {"urls": [["a.py", 'x"],\\"[{']]},
        {"urls": [["b.py", "y"]]},
        {"sha256": {"a.py": "00"}},
        {"sha256": {"b,]}.py": "11"}},
        {"version": "1"},
        {"deep": {"a": [{"b": [1, 2]}]}},
        {"deep": {"c": None}},
        {"number": 5},
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": 1}}', "not a package"),
        (b'{"a": 1} {', "not a package"),
        (b"[]", "not a package"),
        (b'"{}"', "not a package"),
        (b"\xff", "not a package"),
        (b'{"a": x}', "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
        (b'{"a": "}', "not JSON"),
        (b'{"a": [1, [2}', "not JSON"),
        (b'{"urls": ["' + b"x" * 2049 + b'"]}', "an entry of more than 2048 bytes"),
        (b'{"sha256": {"' + b"x" * 2049 + b'": ""}}', "an entry of more than 2048 bytes"),
        (b'{"deps":' + b" " * 2049 + b"[]}", "an entry of more than 2048 bytes"),
        (b"{" + b"1" * 2049 + b"}", "an entry of more than 2048 bytes"),
        (b'{"x"' + b" " * 2049 + b": [1, 2]}", "not JSON"),
        (b'{"a": [1}}', "not JSON"),
        (b'{"a": {"b": 1]}', "not JSON"),
        (b'{"a": 1]', "not JSON"),
    ],
)
def test_document_that_is_none_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(PackageError, match=reason):
        parts(data)


@pytest.mark.parametrize("size", [100, 512])
def test_long_text_that_nobody_reads_is_left_out(size: int) -> None:
    document = {"description": '],}"' * 5000, "x": ["y" * 2100, 1], "urls": [["a.py", "b"]]}
    assert parts(json.dumps(document).encode(), size) == [{"x": [1]}, {"urls": [["a.py", "b"]]}]


HASH = "01" * 32
A = {"urls": [["a.py", "a.py"]]}
INDEXED = {"hashes": [["a.py", HASH[:8]]]}
LINK = f"{PI}/file/{HASH[:2]}/{HASH[:8]}"


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("document", "outcome"),
    [
        (A | {"sha256": {"a.py": HASH}}, {"a.py": (f"{PI}/package/6/x/a.py", HASH)}),
        (A | {"sha256": {"b.py": HASH}}, {"a.py": (f"{PI}/package/6/x/a.py", "")}),
        (INDEXED | {"sha256": {"a.py": HASH}}, {"a.py": (LINK, HASH)}),
        (INDEXED | {"sha256": {"a.py": "10" * 32}}, "two files called a.py"),
        (A | {"sha256": {"A.py": HASH}}, "two files called (a|A).py"),
        (A | {"sha256": {"../a.py": HASH}}, "no path for a file"),
        (A | {"sha256": {f"{n}.py": HASH for n in range(64)}}, "more than 64 files"),
    ],
)
def test_hash_of_a_file_counts_whichever_comes_first(
    document: dict[str, object], outcome: dict[str, tuple[str, str]] | str, turned: bool
) -> None:
    document = dict(reversed(document.items())) if turned else document
    if isinstance(outcome, dict):
        assert files(plan_of(f"{PI}/package/6/x/1.json", x=document)) == outcome
        return
    with pytest.raises(PackageError, match=outcome):
        plan_of(f"{PI}/package/6/x/1.json", x=document)


def test_hash_is_of_a_file_of_its_own_package_json_alone() -> None:
    a, dep = {"urls": [["a.py", "/a.py"]]}, [["http://h/y", ""]]
    one = a | {"sha256": {"a.py": HASH, "b.py": HASH}, "deps": dep}
    plan = plan_of("http://h/x", x=one, y={"urls": [["b.py", "/b.py"]], "sha256": {"a.py": "10" * 32}})
    assert files(plan) == {"a.py": ("http://h/a.py", HASH), "b.py": ("http://h/b.py", "")}
    assert files(plan_of("http://h/x", x=a | {"deps": dep}, y=one)) == {"a.py": ("http://h/a.py", HASH)}
    with pytest.raises(PackageError, match=r"two files called a\.py"):
        plan_of("http://h/x", x=one, y=a | {"sha256": {"a.py": "10" * 32}})


def test_hash_of_what_has_no_text_for_a_path_is_refused() -> None:
    with pytest.raises(PackageError, match="not a package"):
        Plan("http://h/x", "").read("http://h/x", "", {"sha256": {1: HASH}})


def test_files_that_many_packages_share_count_once() -> None:
    shared = [[f"{n}.py", f"/{n}.py"] for n in range(64)]
    plan = plan_of("http://h/a", a={"urls": shared, "deps": [["http://h/b", ""]]}, b={"urls": shared})
    assert len(files(plan)) == 64
    with pytest.raises(PackageError, match="more than 64 files"):
        plan_of("http://h/a", a={"urls": shared, "deps": [["http://h/b", ""]]}, b=A)


@pytest.mark.parametrize("name", ["../../x", "a/b", "", "a?b"])
def test_name_in_an_index_leads_nowhere_else(name: str) -> None:
    with pytest.raises(PackageError, match="no package's name"):
        plan_of(f"{PI}/package/6/one/1.json", one={"deps": [[name, "latest"]]})


def test_file_that_two_packages_share_is_one_file() -> None:
    shared = ["shared.py", "http://h/shared.py"]
    plan = plan_of("http://h/a", a={"urls": [shared], "deps": [["http://h/b", ""]]}, b={"urls": [shared]})
    assert list(files(plan)) == ["shared.py"]


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("http://h", ("http://h", "/", "")),
        ("HTTPS://H:8443/a/b?c=d/e#f", ("https://h:8443", "/a/b?c=d/e", "")),
        ("http://h?a@b/c", ("http://h", "/?a@b/c", "")),
        ("http://u:p@h/a@b", ("http://h", "/a@b", "dTpw")),
        ("http://h#@elsewhere/", ("http://h", "/", "")),
        ("http://u:%C3%A4%25@h/", ("http://h", "/", "dTrDpCU=")),
    ],
)
def test_address_is_taken_apart_as_browsers_do(uri: str, parts: tuple[str, str, str]) -> None:
    assert split(uri) == parts


@pytest.mark.parametrize(
    "uri", ["ftp://h/", "h/x", "", "http:///x", "http://u:p@/", "http://h:/x", "http://[::1]/", "http://u%4@h/", "/x"]
)
def test_address_that_is_none_is_not_shown(uri: str) -> None:
    with pytest.raises(PackageError) as caught:
        split(uri)
    assert not uri or uri not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "there"),
    [
        ("https://i/z", "https://i/z"),
        ("//i/z", "https://i/z"),
        ("/z", "https://h/z"),
        ("z?to=http://i/", "https://h/a/z?to=http://i/"),
        ("HTTP://i/", "https://h/a/HTTP://i/"),
    ],
)
def test_redirect_is_relative_to_where_it_comes_from(location: str, there: str) -> None:
    assert redirected("https://h/a/b?c=d/e", location) == there


@pytest.mark.parametrize("location", ["http://h/a", "http://i/", "github:a/b"])
def test_redirect_out_of_tls_is_refused(location: str) -> None:
    with pytest.raises(PackageError, match="https to http"):
        redirected("https://h/a", location)
