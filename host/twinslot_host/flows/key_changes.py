"""A release that changes the keys which devices trust: what the groups whose devices take it know of that."""

from twinslot_host.domain.caller import Caller
from twinslot_host.domain.manifest import TRUSTED_LIMIT, Manifest
from twinslot_host.domain.signature import fingerprint
from twinslot_host.errors import Invalid
from twinslot_host.store import audit, group_keys, groups
from twinslot_host.store.applications import Application
from twinslot_host.store.database import Connection


async def apply(
    db: Connection, caller: Caller, application: Application, signer: str, manifest: Manifest, now_ms: int
) -> None:
    """The groups that trust the signer trust what the manifest adds, and nothing new by the keys that it retires.

    Raises Invalid when that is no key, or more than a device keeps.
    """
    added = {fingerprint(modulus): modulus for modulus in manifest.added}
    for name in manifest.retired:
        if name in added:
            raise Invalid(f"manifest: it adds and retires the key {name}; sign it again, with one of both")
    for group in await groups.of_application(db, application.id):
        before = await group_keys.of_group(db, group.id)
        if signer not in before:
            continue
        after = manifest.trusted(list(before))
        if not 1 <= len(after) <= TRUSTED_LIMIT:
            raise Invalid(
                f"manifest: the devices of the group {group.name!r} would trust {len(after)} keys, and they keep"
                f" 1 to {TRUSTED_LIMIT}; sign it again, with other keys added or retired"
            )
        for name, modulus in added.items():
            await group_keys.add(db, caller.account, group.id, name, modulus, by_release=True)
        for name in manifest.retired:
            await group_keys.retire(db, group.id, name, now_ms)
        detail = {"added": list(added), "retired": list(manifest.retired)}
        await audit.add(db, caller, "group.keys", f"group:{group.id}", now_ms, detail)
