"""Publishing: an image becomes a release, wholly or not at all."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from twinslot_host.artifacts import Incoming
from twinslot_host.config import SLOT_LEAST_BYTES
from twinslot_host.domain import image as images
from twinslot_host.domain import manifest as manifests
from twinslot_host.domain import rollout
from twinslot_host.domain.image import CHIPS, Image, chip_name
from twinslot_host.domain.manifest import Manifest
from twinslot_host.domain.signature import verified
from twinslot_host.errors import Conflict, Invalid
from twinslot_host.services import Services
from twinslot_host.store import applications, devices, group_keys, groups, releases, signatures
from twinslot_host.store.applications import Application
from twinslot_host.store.database import Connection
from twinslot_host.store.releases import NewRelease, Release
from twinslot_host.store.signatures import Signed


@dataclass(frozen=True)
class Draft:
    """What the publisher wants; `manifest` and `signature` are both None when the server is to sign."""

    app: str
    version: str
    strategy: str
    upgradable_from: list[str] | None
    manifest: bytes | None
    signature: bytes | None


async def check_early(services: Services, account: str, draft: Draft) -> None:
    """Nothing that is known before the image forbids the release. Raises Conflict or Invalid."""
    application = await applications.find(services.database.reader, account, draft.app)
    if application is not None:
        await _check_free(services.database.reader, application, draft)


async def publish(services: Services, account: str, draft: Draft, incoming: Incoming) -> Release:
    """The release, durable. Raises Invalid or Conflict, saying what to do, with nothing changed."""
    image = await asyncio.to_thread(_parsed, incoming.path)
    try:
        async with services.database.write() as db:
            application = await applications.ensure(db, account, draft.app, services.now_ms())
            await _check_free(db, application, draft)
            await _check_fits(db, application, image)
            release = await _add(db, services, account, application, draft, image)
            services.artifacts.keep(incoming)
    except BaseException:
        await _discard_unused(services, incoming.sha256)
        raise
    services.metrics.uploads.inc()
    return release


def _parsed(path: Path) -> Image:
    return images.parse(path.read_bytes())


async def _discard_unused(services: Services, sha256: str) -> None:
    async with services.database.write() as db:
        if not await releases.uses(db, sha256):
            services.artifacts.discard(sha256)


async def _check_free(db: Connection, application: Application, draft: Draft) -> None:
    if await releases.exists(db, application.id, draft.version):
        raise Conflict(f"{draft.app} {draft.version} exists already; publish under a higher version")


async def _check_fits(db: Connection, application: Application, image: Image) -> None:
    """Only what a board can be counts, so that no device keeps others from their release by what it tells."""
    slots = await devices.smallest_slots(db, application.id, SLOT_LEAST_BYTES)
    known = [slot for slot in slots if slot.chip in CHIPS]
    if known and all(slot.chip != image.chip for slot in known):
        names = ", ".join(f"{slot.device} ({chip_name(slot.chip)})" for slot in known)
        raise Invalid(
            f"image: it is for the {chip_name(image.chip)}, and the application's devices are others: {names}"
        )
    for slot in known:
        if slot.chip == image.chip and 0 < slot.size_bytes < image.size_bytes:
            raise Invalid(
                f"image: its {image.size_bytes} bytes do not fit the smallest slot among the application's devices,"
                f" that of {slot.device}, which has {slot.size_bytes} bytes; make it smaller"
            )


async def _add(
    db: Connection, services: Services, account: str, application: Application, draft: Draft, image: Image
) -> Release:
    if draft.manifest is None or draft.signature is None:
        manifest, signed = await _signed_by_server(db, services, application, draft, image)
        signed_by = rollout.SERVER
    else:
        manifest = _checked_manifest(application, draft, image, draft.manifest, services.now_s())
        signed_by = await _signer(db, application, draft.manifest, draft.signature)
        signed = Signed(manifest.sequence, draft.manifest, draft.signature)
    new = NewRelease(
        version=draft.version,
        strategy=draft.strategy,
        upgradable_from=draft.upgradable_from,
        sha256=image.sha256.hex(),
        size=image.size_bytes,
        chip=image.chip,
        security_version=manifest.security_version,
        signed_by=signed_by,
    )
    now_ms = services.now_ms()
    release = await releases.add(db, account, application.id, new, now_ms)
    await signatures.add(db, account, application.id, release, signed, now_ms)
    await applications.set_last_sequence(db, application.id, manifest.sequence)
    return (await releases.of_application(db, application.id))[-1]


async def _signed_by_server(
    db: Connection, services: Services, application: Application, draft: Draft, image: Image
) -> tuple[Manifest, Signed]:
    known = await groups.of_application(db, application.id)
    if known and all(group.trust != rollout.SERVER for group in known):
        raise Invalid(f"the groups of {draft.app} trust only their publisher's key; publish with --key FILE")
    sequence = rollout.next_sequence(application.last_sequence, services.now_s())
    if sequence > services.now_s() + rollout.AHEAD_LIMIT_S:
        raise Conflict(
            f"the last sequence of {draft.app}, {application.last_sequence}, is a day ahead of the server's clock;"
            " set the clock, or wait until it gets there"
        )
    manifest = Manifest(
        app=draft.app,
        version=draft.version,
        sequence=sequence,
        security_version=image.security_version,
        chip=image.chip,
        size_bytes=image.size_bytes,
        sha256=image.sha256,
    )
    return manifest, Signed(manifest.sequence, *services.signer.sign(manifest))


def _checked_manifest(application: Application, draft: Draft, image: Image, encoded: bytes, now_s: int) -> Manifest:
    manifest = manifests.decode(encoded)
    for what, signed, actual in (
        ("application", manifest.app, draft.app),
        ("version", manifest.version, draft.version),
        ("chip", manifest.chip, image.chip),
        ("security version", manifest.security_version, image.security_version),
        ("image size", manifest.size_bytes, image.size_bytes),
        ("SHA-256", manifest.sha256.hex(), image.sha256.hex()),
    ):
        if signed != actual:
            raise Invalid(f"manifest: its {what} is {signed}, and the upload's is {actual}; sign this image again")
    if manifest.sequence > now_s + rollout.AHEAD_LIMIT_S:
        raise Invalid(
            f"manifest: its sequence {manifest.sequence} is more than a day ahead of the server's clock, {now_s};"
            " set the clock of the machine that signs, and sign it again"
        )
    if manifest.sequence <= application.last_sequence:
        raise Conflict(
            f"manifest: its sequence {manifest.sequence} is not higher than {application.last_sequence},"
            f" the last of {draft.app}; sign it again"
        )
    return manifest


async def _signer(db: Connection, application: Application, manifest: bytes, signature: bytes) -> str:
    keys = await group_keys.of_application(db, application.id)
    if not keys:
        raise Invalid(
            f"signature: no group of {application.name} trusts a publisher's key;"
            " create one with --trust publisher, or publish without a key"
        )
    for name, modulus in keys.items():
        if verified(modulus, manifest, signature):
            return name
    raise Invalid(f"signature: none of the keys that the groups of {application.name} trust made it")
