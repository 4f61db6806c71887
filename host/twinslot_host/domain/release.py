"""A release, as the store keeps it and the decision needs it, and what devices get of it."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from twinslot_host.domain.json_values import is_object
from twinslot_host.domain.manifest import (
    BOTH,
    BUNDLE,
    BUNDLE_AND_SPECIFICATION,
    CHIP_ANY,
    IMAGE,
    SPECIFICATION,
    Manifest,
)
from twinslot_host.domain.mpy import MicroPython

Strategy = Literal["suspended", "targeted", "general"]
Trust = Literal["server", "publisher"]  # whose signatures a group's devices take

SERVER = "server"  # as `signed_by` and in a policy's `trusted`: the server's own key
NO_SPECIFICATION = b"{}"  # what a release with a file that is no image carries, when it has no specification


@dataclass(frozen=True)
class BundleFacts:
    """What a manifest tells of a bundle: its list by size and hex SHA-256, the format of its `.mpy` files and the
    oldest MicroPython, zeros for any."""

    sha256: str
    size_bytes: int
    mpy: int
    micropython: MicroPython


@dataclass(frozen=True)
class File:
    """A release's file; `sha256` is hex. `chip` is that of an app image, or of a bundle, which may be for any (None);
    `bundle` is None when it is none."""

    name: str
    sha256: str
    size_bytes: int
    chip: int | None
    security_version: int
    bundle: BundleFacts | None = None

    @property
    def is_image(self) -> bool:
        """Whether it is an app image."""
        return self.bundle is None and self.chip is not None

    @property
    def is_carried(self) -> bool:
        """Whether a transfer carries what it holds to devices: it is an app image or a bundle."""
        return self.bundle is not None or self.chip is not None

    @property
    def kind_name(self) -> str:
        """What people call what it is, when a transfer carries it."""
        return "image" if self.is_image else "bundle"


@dataclass(frozen=True)
class Targeting:
    """A filter that a `targeted` release goes out to, from `rollout_at_ms` on; None: at once."""

    filter_id: str
    rollout_at_ms: int | None


@dataclass(frozen=True)
class Release:
    """A version of an application.

    `specification` is compact JSON, the bytes that devices get; `metadata` JSON that they don't. `waits_for_file`: it
    is offered only with a file; `lost_file`: its file was deleted, and it waits for another. `sequences` are those of
    its signatures that are not void, the current one last; there may be none. `key_change` is its manifest, when that
    changes the keys which devices trust. `has_transfer`: its image or bundle, if any, has the transfer that suits all.
    """

    id: int
    version: str
    strategy: Strategy
    upgradable_from: tuple[str, ...] | None
    specification: bytes | None
    metadata: str | None
    waits_for_file: bool
    lost_file: bool
    signed_by: str
    created_at_ms: int
    file: File | None
    filters: tuple[Targeting, ...]
    sequences: tuple[int, ...]
    key_change: Manifest | None = None
    has_transfer: bool = True

    @property
    def sequence(self) -> int | None:
        """The current signature's sequence; None when it has to be signed first."""
        return self.sequences[-1] if self.sequences else None

    @property
    def image(self) -> File | None:
        """The file, when it is an app image."""
        return self.file if self.file is not None and self.file.is_image else None

    @property
    def carried(self) -> File | None:
        """The file, when it is an app image or a bundle."""
        return self.file if self.file is not None and self.file.is_carried else None

    def carries_other(self, than: "Release") -> bool:
        """Whether the one carries an image, and the other a bundle."""
        mine, its = self.carried, than.carried
        return mine is not None and its is not None and mine.is_image != its.is_image

    @property
    def kind(self) -> int | None:
        """The manifest's kind; None while the release waits for what it lacks."""
        if self.carried is not None and self.carried.bundle is not None:
            return BUNDLE if self.specification is None else BUNDLE_AND_SPECIFICATION
        if self.carried is not None:
            return IMAGE if self.specification is None else BOTH
        if self.file is not None:
            return SPECIFICATION
        if self.specification is None or self.waits_for_file or self.lost_file:
            return None
        return SPECIFICATION

    @property
    def sent_specification(self) -> bytes | None:
        """The specification's bytes as a manifest vouches for them; None when the release carries none."""
        if self.kind == SPECIFICATION and self.specification is None:
            return NO_SPECIFICATION
        return self.specification

    @property
    def linked_file(self) -> File | None:
        """The file, when devices get its link in the place of the specification's `link`; they get none of a bundle."""
        has_place = is_object(self.sent_specification or b"")
        return self.file if has_place and self.file is not None and self.file.bundle is None else None

    def manifest(self, app: str, sequence: int) -> Manifest:
        """What is to be signed. The release does not wait for anything, as the caller has seen."""
        assert self.kind is not None
        carried, specification = self.carried, self.sent_specification
        bundle = None if carried is None else carried.bundle
        named = carried if bundle is None else bundle
        return Manifest(
            app=app,
            version=self.version,
            sequence=sequence,
            security_version=0 if carried is None else carried.security_version,
            chip=CHIP_ANY if carried is None or carried.chip is None else carried.chip,
            size_bytes=0 if named is None else named.size_bytes,
            sha256=bytes(32) if named is None else bytes.fromhex(named.sha256),
            kind=self.kind,
            specification_size_bytes=len(specification or b""),
            specification_sha256=b"" if specification is None else hashlib.sha256(specification).digest(),
            mpy=0 if bundle is None else bundle.mpy,
            micropython=(0, 0, 0) if bundle is None else bundle.micropython,
        )
