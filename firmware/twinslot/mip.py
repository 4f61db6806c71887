"""Packages as `mip` knows them (micropython-lib, micropython/mip; docs.micropython.org, "Package management"). Pure.

A package is a `package.json`, or a single `.py` or `.mpy`. Of a package.json, `urls` are pairs of a path in the package
and an address, `hashes` pairs of a path and the beginning of a SHA-256, by which an index has the file, and `deps`
pairs of another package and its version. Ours has `sha256` too, by path (docs/protocol.md).

Everything here comes from outside: what is not as it should be raises PackageError.
"""

from binascii import hexlify
from hashlib import sha256

from . import uris
from .errors import PackageError
from .files import PATH_MAX, is_path, module

_FILES_MAX = 64
_DOCUMENTS_MAX = 16
_TEXT_MAX = 64
_HEX = "0123456789abcdef"
_HASH_MIN = 8
_OURS = ("twinslot", "app", "boot", "main")  # what decides whether a board can still be reached
_TAKEN = ("index.json", "index.json.new")  # in the folder of all packages
_INDEX = "/package/"


def checked_name(text: object) -> str:
    """The text, which can be a package's name or version."""
    if not isinstance(text, str) or not 0 < len(text) <= _TEXT_MAX or text in _TAKEN or text[0] in "._+-":
        raise PackageError("no package's name or version")
    if not all("a" <= c.lower() <= "z" or "0" <= c <= "9" or c in "._+-" for c in text):
        raise PackageError("no package's name or version")
    return text


def checked_path(path: str) -> str:
    """The path, which is one inside a package's folder, and takes nothing's place that the board needs."""
    if not is_path(path):
        raise PackageError("no path for a file: " + repr(path[:PATH_MAX]))
    if module(path).lower() in _OURS:
        raise PackageError("no package may bring " + path)
    return path


class Plan:
    """What the package at `uri` is made of, with all that it depends on, once each of `unread` was given to `read`.

    `files` are each one's path, its address, and the beginning of its SHA-256, hex, empty when that is not known: a
    list, since the heap may not have a dictionary's room in one piece. `sha256` is what the bytes at `uri` must have,
    or empty.
    """

    def __init__(self, uri: str, sha256: str) -> None:
        self.unread: "list[tuple[str, str, str]]" = []  # address, branch, hash
        self.files: "list[tuple[str, str, str]]" = []
        self._own: "list[tuple[str, str, str]]" = []  # of the package.json that is read, no address: not yet there
        self._known: "list[str]" = []
        self._depend(uri, "", sha256)
        self.end()

    def modules(self) -> "list[str]":
        """The top-level modules, sorted."""
        return sorted({module(path) for path, _, _ in self.files if _is_module(path)})

    def digest(self) -> str:
        """Names the files, by path and hash; empty when the hash of one is not known."""
        digest = sha256()
        for path, _, start in sorted(self.files):
            if not start:
                return ""
            digest.update((path + "\0" + start + "\0").encode())
        return hexlify(digest.digest()).decode()[:16]

    def read(self, uri: str, branch: str, part: dict) -> None:
        """The part of a package.json, which lies at `uri`, is in the plan with the next `end`. `branch` is what its
        short addresses mean, empty for the usual one."""
        hashes = part.get("sha256", {})
        if not isinstance(hashes, dict) or not all(isinstance(path, str) for path in hashes):
            raise PackageError("package.json: not a package")
        for path, start in hashes.items():
            _add(self._own, path, "", start)
        index, from_index, below = uri.partition(_INDEX)
        for path, start in _pairs(part, "hashes"):
            if not from_index:
                raise PackageError("package.json: hashes, and no index that has them")
            _add(self._own, path, index + "/file/" + start[:2] + "/" + start, start)
        for path, address in _pairs(part, "urls"):
            _add(self._own, path, uris.full(uris.joined(uri, address), branch), "")
        for name, version in _pairs(part, "deps"):
            if uris.is_full(name):
                self._depend(name, version, "")
            elif from_index:
                kind = below.split("/")[0]
                name = "{}/{}/{}".format(kind, checked_name(name), checked_name(version or "latest"))
                self._depend(index + _INDEX + name + ".json", "", "")
            else:
                raise PackageError("depends on {}, without saying where that is".format(name[:_TEXT_MAX]))

    def end(self) -> None:
        """The package.json is read to its end; hashes of files that it does not bring are dropped."""
        for path, uri, start in self._own:
            if uri:
                _add(self.files, path, uri, start)
        self._own = []

    def check(self) -> None:
        """There are files, and none lies where another needs a folder."""
        if not self.files:
            raise PackageError("a package without files")
        for path, _, _ in self.files:
            while "/" in path:
                path = path.rpartition("/")[0]
                if _at(self.files, path) >= 0:
                    raise PackageError("both a file and a folder: " + path)

    def _depend(self, uri: str, branch: str, sha256: str) -> None:
        uri = uris.full(uri, branch)
        path, mark, query = uri.partition("?")
        name = path.rpartition("/")[2]
        if _is_module(name):
            _add(self._own, name, uri, sha256)
            return
        if not path.startswith("/") and not name.endswith(".json"):
            uri = path + ("package.json" if not name else "/package.json") + mark + query
        if uri in self._known:
            return
        if len(self._known) == _DOCUMENTS_MAX:
            raise PackageError("made of more than {} packages".format(_DOCUMENTS_MAX))
        self._known.append(uri)
        self.unread.append((uri, branch, sha256))


def _add(files: "list[tuple[str, str, str]]", path: str, uri: str, start: object) -> None:
    """The file is among `files`, once, with its address and the longest beginning of its SHA-256 that came so far."""
    start, at = _checked_hash(path, start), _at(files, path)
    if at < 0:
        if len(files) == _FILES_MAX:
            raise PackageError("more than {} files".format(_FILES_MAX))
        files.append((checked_path(path), uri, start))
        return
    name, there, known = files[at]
    longest = max(known, start)  # of two of which one begins with the other
    agree = longest.startswith(known) and longest.startswith(start)
    if name != path or (uri and there and uri != there) or not agree:
        raise PackageError("two files called " + path)
    files[at] = path, there or uri, longest


def _at(files: "list[tuple[str, str, str]]", path: str) -> int:
    """Where the file is among all, -1 for nowhere. Names that differ in case alone are not everywhere two files."""
    lower = path.lower()
    for at, file in enumerate(files):
        if len(file[0]) == len(path) and file[0].lower() == lower:
            return at
    return -1


def _is_module(path: str) -> bool:
    return path.rpartition(".")[2] in ("py", "mpy")


def _checked_hash(path: str, start: object) -> str:
    """The beginning of a SHA-256, hex, or nothing."""
    if isinstance(start, str) and (not start or _HASH_MIN <= len(start) <= 64 and all(c in _HEX for c in start)):
        return start
    raise PackageError("no SHA-256: that of " + path[:PATH_MAX])


def _pairs(package: dict, field: str) -> "list[list[str]]":
    pairs = package.get(field, [])
    if isinstance(pairs, list) and all(
        isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], str)
        for pair in pairs
    ):
        return pairs
    raise PackageError("package.json: {} must be pairs of texts".format(field))
