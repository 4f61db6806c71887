"""The manifest, the bytes that a release's signature vouches for (docs/protocol.md, "Manifest"): from what a publisher
has, and into words. They are made and read by the server's own rules, so that what is signed here is what it takes."""

import hashlib
from dataclasses import dataclass

from twinslot_host.domain import manifest
from twinslot_host.domain.manifest import BOTH, CHIP_ANY, IMAGE, SPECIFICATION, Manifest
from twinslot_host.domain.signature import fingerprint
from twinslot_tools.errors import BadFile
from twinslot_tools.signing import ImageFacts

KEYS_LIMIT = manifest.KEYS_LIMIT
_NO_IMAGE = ImageFacts(CHIP_ANY, 0, 0, bytes(32))
_WHAT = {IMAGE: "an image", SPECIFICATION: "a specification", BOTH: "an image and a specification"}


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
    """The bytes to sign, for an image, a specification or both."""
    image = facts or _NO_IMAGE
    of_release = Manifest(
        app,
        version,
        sequence,
        image.security_version,
        image.chip,
        image.size_bytes,
        image.sha256,
        IMAGE if specification is None else BOTH if facts else SPECIFICATION,
        len(specification or b""),
        b"" if specification is None else hashlib.sha256(specification).digest(),
        keys.added,
        tuple(fingerprint(modulus) for modulus in keys.retired),
    )
    return manifest.encode(of_release)


def told(data: bytes) -> dict[str, object]:
    """What the manifest says, for people and programs; digests are hex. Raises `BadFile` when it is none."""
    try:
        found = manifest.decode(data)
    except manifest.ManifestError as error:
        raise BadFile(f"that is no manifest: {str(error).removeprefix('manifest: ')}") from error
    facts: dict[str, object] = {"carries": _WHAT[found.kind], "app": found.app, "version": found.version}
    facts["sequence"] = found.sequence
    if found.kind != SPECIFICATION:
        facts |= {"chip": found.chip, "security_version": found.security_version}
        facts |= {"size": found.size_bytes, "sha256": found.sha256.hex()}
    if found.kind != IMAGE:
        facts |= {"specification_size": found.specification_size_bytes}
        facts |= {"specification_sha256": found.specification_sha256.hex()}
    if found.changes_keys:
        added = [fingerprint(modulus) for modulus in found.added]
        facts |= {"keys_added": added, "keys_retired": list(found.retired)}
    return facts
