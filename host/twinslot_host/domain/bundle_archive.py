"""Bundles as they are uploaded: a `.tar.gz` of `bundle.json` and then of what that names, `files/<path>` each.

| member of `bundle.json` | value |
| --- | --- |
| `format` | 1 |
| `chip` | the chip's id, as in a manifest; null for any |
| `mpy` | the format of its `.mpy` files; 0 for any |
| `micropython` | the oldest MicroPython that it runs on, such as "1.26.0"; null for any |
| `security_version` | 0 or more |
| `files` | `{"path", "size", "sha256"}` each, by the bytes of their paths, in the order of the archive |
"""

import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from twinslot_host.domain import bundle
from twinslot_host.domain.bundle import BundleError, Entry
from twinslot_host.domain.mpy import MicroPython, version

NAME = "bundle.json"
FOLDER = "files/"
CONTENT_LIMIT_BYTES = 16 * 1024 * 1024  # of all files together

_FORMAT = 1
_DESCRIPTION_LIMIT_BYTES = 64 * 1024
_ARCHIVE_LIMIT_BYTES = CONTENT_LIMIT_BYTES + 1024 * 1024  # with the headers, the padding and the description
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP = 31  # for zlib: with gzip's head and checksum
_MEMBERS = {"format", "chip", "mpy", "micropython", "security_version", "files"}
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MADE = "`twinslot bundle` makes good ones"
_DAMAGED = (tarfile.TarError, ValueError, OverflowError, RecursionError)  # that tarfile raises


class NoBundle(BundleError):
    """It is whole, and something else."""


@dataclass(frozen=True)
class Bundle:
    """What is known of a good bundle; `chip` is None, `mpy` 0 and `micropython` zeros where any will do."""

    chip: int | None
    mpy: int
    micropython: MicroPython
    security_version: int
    entries: tuple[Entry, ...]
    listing: bytes
    contents: tuple[bytes, ...]


def is_gzip(data: bytes) -> bool:
    """Whether this is a gzip, so that it is a bundle or no file that a board runs."""
    return data.startswith(_GZIP_MAGIC)


def parse(data: bytes) -> Bundle:
    """The bundle of that gzip. Raises NoBundle when it is not meant as one, and BundleError when it is damaged, or no
    board would take it."""
    content, following_bytes = _decompressed(data)
    try:
        archive = tarfile.TarFile(fileobj=io.BytesIO(content))
        first = archive.next()
    except _DAMAGED as error:
        raise NoBundle(f"bundle: it holds no tar ({error}); {_MADE}") from None
    if first is None or first.name != NAME:
        begins = "is empty" if first is None else f"begins with {first.name[:80]!r}"
        raise NoBundle(f"bundle: its tar {begins}, where {NAME} is to come first; {_MADE}")
    if len(content) == _ARCHIVE_LIMIT_BYTES:
        raise BundleError(
            f"bundle: its archive has {_ARCHIVE_LIMIT_BYTES} bytes or more; make its files fewer or smaller"
        )
    if following_bytes:
        raise BundleError(f"bundle: {following_bytes} bytes follow the end of its gzip; {_MADE}")
    try:
        return _bundle(archive, first)
    except _DAMAGED as error:
        raise BundleError(f"bundle: its tar is damaged ({error}); {_MADE}") from None


def _decompressed(data: bytes) -> tuple[bytes, int]:
    """What the gzip holds, up to the limit, and how many bytes follow it. Raises BundleError when it is damaged."""
    work = zlib.decompressobj(_GZIP)
    try:
        content = work.decompress(data, _ARCHIVE_LIMIT_BYTES)
    except zlib.error as error:
        raise BundleError(f"bundle: its gzip is damaged ({error}); copy or build it again") from None
    if len(content) < _ARCHIVE_LIMIT_BYTES and not work.eof:
        raise BundleError("bundle: its gzip ends early; copy or build it again")
    return content, len(work.unused_data)


def _bundle(archive: tarfile.TarFile, first: tarfile.TarInfo) -> Bundle:
    told = _description(_content(archive, first, _DESCRIPTION_LIMIT_BYTES))
    entries = tuple(_entries(told["files"]))
    listing = bundle.encode(entries)
    if sum(each.size_bytes for each in entries) > CONTENT_LIMIT_BYTES:
        raise BundleError(f"bundle: its files have more than {CONTENT_LIMIT_BYTES} bytes; leave some out")
    contents = tuple(_checked_content(archive, each) for each in entries)
    extra = archive.next()
    if extra is not None:
        raise BundleError(f"bundle: it holds {extra.name[:80]!r}, which is not next in its {NAME}; {_MADE}")
    return Bundle(
        chip=None if told["chip"] is None else _number(told, "chip", 0xFFFE),
        mpy=_number(told, "mpy", 0xFFFF),
        micropython=_micropython(told["micropython"]),
        security_version=_number(told, "security_version", 0xFFFFFFFF),
        entries=entries,
        listing=listing,
        contents=contents,
    )


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, limit_bytes: int) -> bytes:
    """What the member holds, which is a file."""
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
        raise BundleError(f"bundle: {member.name!r} is a folder, a link or a device, or has holes; {_MADE}")
    if member.size > limit_bytes:
        raise BundleError(f"bundle: {member.name!r} has {member.size} bytes, where {limit_bytes} can be")
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def _checked_content(archive: tarfile.TarFile, entry: Entry) -> bytes:
    member = archive.next()
    if member is None or member.name != FOLDER + entry.path:
        there = "nothing" if member is None else repr(member.name[:80])
        raise BundleError(f"bundle: {there} where {FOLDER + entry.path!r} comes next by its {NAME}; {_MADE}")
    content = _content(archive, member, entry.size_bytes)
    if (len(content), hashlib.sha256(content).digest()) != (entry.size_bytes, entry.sha256):
        raise BundleError(f"bundle: {entry.path!r} has another size or SHA-256 than its {NAME} tells; build it again")
    return content


def _description(data: bytes) -> Mapping[str, object]:
    try:
        told = json.loads(data.decode())
    except (ValueError, RecursionError):
        raise BundleError(f"bundle: its {NAME} is no JSON document in UTF-8") from None
    if not isinstance(told, dict) or told.keys() != _MEMBERS:
        raise BundleError(f"bundle: its {NAME} is no object of {', '.join(sorted(_MEMBERS))}, and nothing else")
    if type(told["format"]) is not int or told["format"] != _FORMAT:
        raise BundleError(f"bundle: its {NAME} is not of format {_FORMAT}; update the server, or build it again")
    return told


def _entries(files: object) -> Iterator[Entry]:
    for number, each in enumerate(files if isinstance(files, list) else [None]):
        if not isinstance(each, dict) or each.keys() != {"path", "size", "sha256"}:
            raise BundleError(f"bundle: files.{number} in its {NAME} is no object of path, size and sha256 alone")
        path, sha256 = each["path"], each["sha256"]
        if not isinstance(path, str) or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise BundleError(f"bundle: files.{number} in its {NAME} has no text as path, or no SHA-256 in lower case")
        yield Entry(path, _number(each, "size", CONTENT_LIMIT_BYTES), bytes.fromhex(sha256))


def _number(told: Mapping[str, object], name: str, most: int) -> int:
    value = told[name]
    if type(value) is not int or not 0 <= value <= most:
        raise BundleError(f"bundle: {name} in its {NAME} is {str(value)[:80]!r}, and no number of 0 to {most}")
    return value


def _micropython(told: object) -> MicroPython:
    if told is None:
        return (0, 0, 0)
    numbers = version(told) if isinstance(told, str) else None
    if numbers is None:
        raise BundleError(f"bundle: micropython in its {NAME} is {str(told)[:80]!r}, and no version such as 1.26.0")
    return numbers
