"""The manifest, the bytes that a release's signature vouches for (docs/protocol.md, "Manifest"), and the bundle that it
may name: from what a publisher has, and into words. They are made and read by the server's own rules, so that what is
signed here is what it takes."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twinslot_host.domain import bundle, bundle_archive, manifest, mpy, paths
from twinslot_host.domain.bundle import BundleError
from twinslot_host.domain.manifest import (
    BOTH,
    BUNDLE,
    BUNDLE_AND_SPECIFICATION,
    BUNDLES,
    CHIP_ANY,
    IMAGE,
    KINDS,
    SPECIFICATION,
    Manifest,
)
from twinslot_host.domain.signature import fingerprint
from twinslot_tools.errors import BadFile
from twinslot_tools.firmware_file import chip_name
from twinslot_tools.signing import ImageFacts

KEYS_LIMIT = manifest.KEYS_LIMIT
CONTENT_LIMIT_BYTES = bundle_archive.CONTENT_LIMIT_BYTES
mpy_fits, mpy_named, module, is_bundle = mpy.fits, mpy.named, paths.module, bundle_archive.is_gzip

_NO_IMAGE = ImageFacts(CHIP_ANY, 0, 0, bytes(32))


@dataclass(frozen=True)
class BundleFacts(ImageFacts):
    """What a manifest says of a bundle; size and SHA-256 are those of its list."""

    mpy: int
    micropython: tuple[int, int, int]

    @property
    def only_chip(self) -> int | None:
        """The chip that it is for, None for any."""
        return None if self.chip == CHIP_ANY else self.chip

    @property
    def micropython_version(self) -> str | None:
        """The oldest MicroPython that it runs on, None for any."""
        return mpy.version_text(self.micropython) if any(self.micropython) else None


def bundle_facts(path: Path, data: bytes) -> BundleFacts:
    """The facts of the bundle that `data` is, out of what lies at `path`; raises `BadFile` when no board takes it."""
    with _refused(path):
        found = bundle_archive.parse(data)
    return BundleFacts(
        CHIP_ANY if found.chip is None else found.chip,
        found.security_version,
        len(found.listing),
        hashlib.sha256(found.listing).digest(),
        found.mpy,
        found.micropython,
    )


def check_path(path: Path, name: str) -> None:
    """A board takes the file at `path` under that name; raises `BadFile`."""
    with _refused(path):
        bundle.checked_path(name)


def check_size(folder: Path, names: Sequence[str], advice: str) -> None:
    """A board can list so many files, with paths so long; raises `BadFile`."""
    with _refused(folder, advice):
        bundle.check_size(names)


def check_apart(folder: Path, names: Sequence[str]) -> None:
    """The folder's files differ in more than upper and lower case; raises `BadFile`."""
    with _refused(folder, " where upper and lower case are the same; rename one"):
        bundle.check_apart(names)


def micropython_version(text: str) -> str | None:
    """The version as a bundle names it, such as 1.26.0 for 1.26; None when `text` is none."""
    whole = text if text.count(".") > 1 else text + ".0"
    return whole if mpy.version(whole) else None


@contextmanager
def _refused(path: Path, advice: str = "") -> Iterator[None]:
    try:
        yield
    except BundleError as error:
        raise BadFile(f"{path}: {str(error).removeprefix('bundle: ')}{advice}") from error


@dataclass(frozen=True)
class KeyChange:
    """The moduli that devices are to trust, and those that they are to trust no more, once the release is confirmed."""

    added: tuple[bytes, ...] = ()
    retired: tuple[bytes, ...] = ()


NO_CHANGE = KeyChange()


def encoded(
    facts: ImageFacts | None,
    specification: bytes | None,
    *,
    app: str,
    version: str,
    sequence: int,
    keys: KeyChange = NO_CHANGE,
) -> bytes:
    """The bytes to sign, for an image or a bundle, a specification, or one of the former with the latter."""
    file = facts or _NO_IMAGE
    bundled = file if isinstance(file, BundleFacts) else None
    alone, both = (BUNDLE, BUNDLE_AND_SPECIFICATION) if bundled else (IMAGE, BOTH)
    of_release = Manifest(
        app=app,
        version=version,
        sequence=sequence,
        security_version=file.security_version,
        chip=file.chip,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        kind=alone if specification is None else both if facts else SPECIFICATION,
        specification_size_bytes=len(specification or b""),
        specification_sha256=b"" if specification is None else hashlib.sha256(specification).digest(),
        added=keys.added,
        retired=tuple(fingerprint(modulus) for modulus in keys.retired),
        mpy=bundled.mpy if bundled else 0,
        micropython=bundled.micropython if bundled else (0, 0, 0),
    )
    return manifest.encode(of_release)


def told(data: bytes) -> dict[str, object]:
    """What the manifest says, for people and programs; digests are hex. Raises `BadFile` when it is none."""
    try:
        found = manifest.decode(data)
    except manifest.ManifestError as error:
        raise BadFile(f"that is no manifest: {str(error).removeprefix('manifest: ')}") from error
    facts: dict[str, object] = {"carries": KINDS[found.kind], "app": found.app, "version": found.version}
    facts["sequence"] = found.sequence
    if found.kind != SPECIFICATION:
        chip = None if found.chip == CHIP_ANY else found.chip
        facts |= {"chip": chip, "security_version": found.security_version}
        of_list = "list_" if found.kind in BUNDLES else ""
        facts |= {f"{of_list}size": found.size_bytes, f"{of_list}sha256": found.sha256.hex()}
    if found.kind in BUNDLES:
        micropython = mpy.version_text(found.micropython) if any(found.micropython) else None
        facts |= {"mpy": found.mpy, "micropython": micropython}
    if found.specification_sha256:
        facts |= {"specification_size": found.specification_size_bytes}
        facts |= {"specification_sha256": found.specification_sha256.hex()}
    if found.changes_keys:
        added = [fingerprint(modulus) for modulus in found.added]
        facts |= {"keys_added": added, "keys_retired": list(found.retired)}
    return facts


def in_words(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a device or a release, its bundle's too, for people: a chip and a format of `.mpy` files by name."""
    words = dict(facts)
    if isinstance(words.get("bundle"), dict):
        words["bundle"] = in_words(words["bundle"])
    if isinstance(words.get("chip"), int):
        words["chip"] = chip_name(words["chip"])
    if isinstance(words.get("mpy"), int):
        words["mpy"] = mpy.named(words["mpy"]) if words["mpy"] else None
    return words
