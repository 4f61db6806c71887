"""What a package.json comes to, and which address is which origin's: the pure parts."""

import io
import json

import pytest

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
        plan.read(address, branch, io.BytesIO(json.dumps(documents[address.split("/")[-2]]).encode()))
    plan.check()
    return plan


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
    assert {path: uri for path, (uri, _) in plan.files.items()} == {
        "a.py": f"{RAW}/x/y/HEAD/a.py",
        "b.py": f"{RAW}/x/y/HEAD/src/b.py",
        "c.py": f"{RAW}/o/r/HEAD/c.py",
        "d.py": "https://h/d.py",
        "e.py": f"{RAW}/z/w/v2/e.py",
    }


def test_dependency_of_an_index_is_looked_for_in_the_same_index_for_the_same_interpreter() -> None:
    one = {"hashes": [["one/__init__.mpy", "0123456789"]], "deps": [["two", "latest"], ["two", ""]]}
    plan = plan_of(f"{PI}/package/6/one/1.2.json", one=one, two={"hashes": [["two.mpy", "abcdef01"]]})
    assert plan.files == {
        "one/__init__.mpy": (f"{PI}/file/01/0123456789", "0123456789"),
        "two.mpy": (f"{PI}/file/ab/abcdef01", "abcdef01"),
    }
    assert (plan.modules(), plan.digest() != "") == (["one", "two"], True)


@pytest.mark.parametrize("name", ["../../x", "a/b", "", "a?b"])
def test_name_in_an_index_leads_nowhere_else(name: str) -> None:
    with pytest.raises(PackageError, match="no package's name"):
        plan_of(f"{PI}/package/6/one/1.json", one={"deps": [[name, "latest"]]})


def test_file_that_two_packages_share_is_one_file() -> None:
    shared = ["shared.py", "http://h/shared.py"]
    plan = plan_of("http://h/a", a={"urls": [shared], "deps": [["http://h/b", ""]]}, b={"urls": [shared]})
    assert list(plan.files) == ["shared.py"]


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
