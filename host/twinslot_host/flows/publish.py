"""Publishing: an image or a bundle, a specification or both become a signed release, wholly or not at all."""

from dataclasses import dataclass
from typing import Any

from twinslot_host.artifacts import Incoming
from twinslot_host.domain import manifest as manifests
from twinslot_host.domain import rollout
from twinslot_host.domain.caller import Caller
from twinslot_host.domain.manifest import BUNDLES, KINDS, Manifest
from twinslot_host.domain.release import SERVER, Release
from twinslot_host.domain.signature import verified
from twinslot_host.errors import Conflict, Invalid
from twinslot_host.flows import key_changes, server_signing, steps, uploads
from twinslot_host.flows.steps import Fields
from twinslot_host.services import Services
from twinslot_host.store import applications, files, group_keys, signatures
from twinslot_host.store.applications import Application
from twinslot_host.store.database import Connection
from twinslot_host.store.signatures import Signed

_COMPARED = {
    "kind": "kind",
    "application": "app",
    "version": "version",
    "chip": "chip",
    "security version": "security_version",
    "size": "size_bytes",
    "SHA-256": "sha256",
    "specification's size": "specification_size_bytes",
    "specification's SHA-256": "specification_sha256",
    ".mpy format": "mpy",
    "MicroPython": "micropython",
}
_OF_LIST = ("size_bytes", "sha256")  # of a bundle, these are its list's


@dataclass(frozen=True)
class Draft:
    """What the publisher wants; `manifest` and `signature` are both None when the server is to sign."""

    app: str
    version: str
    fields: Fields
    manifest: bytes | None
    signature: bytes | None


async def check_early(services: Services, caller: Caller, draft: Draft) -> None:
    """Nothing that is known before the upload forbids the release. Raises Conflict or Invalid."""
    db = services.database.reader
    await steps.check_filters(db, caller.account, draft.fields)
    application = await applications.find(db, caller.account, draft.app)
    if application is not None:
        await steps.check_free(db, application, draft.version)


async def publish(
    services: Services, caller: Caller, draft: Draft, specification: bytes | None, incoming: Incoming | None
) -> Release:
    """The release, durable and signed. Raises Invalid or Conflict, saying what to do, with nothing changed.

    There is a specification or an upload, or both.
    """
    file = None if incoming is None else await uploads.carried_file(incoming)
    async with uploads.kept_file(services, caller.account, incoming, file) as db:
        application = await applications.ensure(db, caller.account, draft.app, services.now_ms())
        await steps.check_free(db, application, draft.version)
        if file is not None:
            await uploads.check_fits(db, application, file)
        signed_by = await _signer(db, application, draft)
        release = await steps.add(
            db, services, caller, application, draft.version, draft.fields, specification, signed_by
        )
        if file is not None:
            await files.put(db, caller.account, release.id, file)
            release = await steps.reread(db, application, release)
        await _sign(db, services, caller, application, draft, release)
        return await steps.reread(db, application, release)


async def _signer(db: Connection, application: Application, draft: Draft) -> str:
    """Who signed, as `signed_by` has it. Raises Invalid when no group of the application trusts that."""
    if draft.manifest is None or draft.signature is None:
        await server_signing.check_trusted(db, application)
        return SERVER
    manifests.decode(draft.manifest)
    keys = await group_keys.of_application(db, application.id)
    if not keys:
        raise Invalid(
            f"signature: no group of {application.name} trusts a publisher's key;"
            " create one with --trust publisher, or publish without a key"
        )
    for name, modulus in keys.items():
        if verified(modulus, draft.manifest, draft.signature):
            return name
    raise Invalid(
        f"signature: none of the keys that the groups of {application.name} trust made it;"
        " a retired key signs nothing new"
    )


async def _sign(
    db: Connection, services: Services, caller: Caller, application: Application, draft: Draft, release: Release
) -> None:
    if draft.manifest is None or draft.signature is None:
        sequence = server_signing.free_sequence(services, application)
        await server_signing.sign(db, services, caller.account, application, release, sequence)
        return
    manifest = manifests.decode(draft.manifest)
    _check_same(manifest, release.manifest(application.name, manifest.sequence))
    _check_sequence(application, manifest.sequence, services.now_s())
    signed = Signed(manifest.sequence, draft.manifest, draft.signature)
    now_ms, changes_keys = services.now_ms(), manifest.changes_keys
    await signatures.add(db, caller.account, application.id, release.id, signed, now_ms, changes_keys=changes_keys)
    if changes_keys:
        await key_changes.apply(db, caller, application, release.signed_by, manifest, now_ms)
    await applications.set_last_sequence(db, application.id, manifest.sequence)


def _check_same(signed: Manifest, uploaded: Manifest) -> None:
    for what, name in _COMPARED.items():
        one, other = getattr(signed, name), getattr(uploaded, name)
        if one != other:
            whose = "list's " if name in _OF_LIST and signed.kind in BUNDLES else ""
            raise Invalid(
                f"manifest: its {whose}{what} is {_told(name, one)}, and the upload's is {_told(name, other)};"
                " sign this upload again"
            )


def _told(name: str, value: Any) -> object:
    if name == "kind":
        return KINDS[value]
    if isinstance(value, tuple):
        return ".".join(map(str, value))
    return value.hex() if isinstance(value, bytes) else value


def _check_sequence(application: Application, sequence: int, now_s: int) -> None:
    if sequence > now_s + rollout.AHEAD_LIMIT_S:
        raise Invalid(
            f"manifest: its sequence {sequence} is more than a day ahead of the server's clock, {now_s};"
            " set the clock of the machine that signs, and sign it again"
        )
    if sequence <= application.last_sequence:
        raise Conflict(
            f"manifest: its sequence {sequence} is not higher than {application.last_sequence},"
            f" the last of {application.name}; sign it again"
        )
