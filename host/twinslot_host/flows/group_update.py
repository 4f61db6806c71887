"""A group update (IoTaaP): an image, or a bundle, that every device of a group is to run, exactly this version."""

import secrets
import string

from twinslot_host.artifacts import Incoming
from twinslot_host.domain.caller import Caller
from twinslot_host.domain.release import SERVER, File, Release
from twinslot_host.errors import Conflict, Invalid
from twinslot_host.flows import enrol, steps, uploads
from twinslot_host.flows.steps import Fields
from twinslot_host.services import Services
from twinslot_host.store import applications, audit, group_updates, groups, releases
from twinslot_host.store.applications import Application
from twinslot_host.store.database import Connection
from twinslot_host.store.group_updates import GroupUpdate
from twinslot_host.store.groups import Group

_ALONE = Fields(strategy="suspended", upgradable_from=None, filters=(), metadata=None, waits_for_file=False)
_PATH_SIGNS = string.ascii_letters + string.digits
_PATH_RANDOM_CHARACTERS = 16


async def update_group(services: Services, caller: Caller, group: str, version: str, incoming: Incoming) -> None:
    """The upload is that version of the group's application, and the group is held at exactly it.

    Raises Invalid when the upload is not for the group's devices, the group does not trust the server, or other groups
    can get another one of that version; NotFound without such a group, Conflict when a device is installing another.
    """
    file = await uploads.carried_file(incoming)
    now_ms = services.now_ms()
    async with uploads.kept_file(services, caller.account, incoming, file) as db:
        found = await enrol.group_of(db, caller.account, group)
        if found.trust != SERVER:
            raise Invalid(f"the group {found.name!r} trusts only its publisher's key; publish with --key FILE")
        application = await applications.get(db, found.application)
        await uploads.check_fits(db, application, file, found)
        before = await releases.find(db, application.id, version)
        await _put(db, services, caller, found, application, version, before, file)
        await steps.set_target(db, caller, found, version, now_ms)
        update = GroupUpdate(secrets.token_hex(12), found.id, _new_path(found), version, now_ms)
        await group_updates.add(db, caller.account, update)
        detail: dict[str, object] = {"version": version, "sha256": file.sha256}
        await audit.add(db, caller, "group.ota", f"group:{found.id}", now_ms, detail)
    if before is not None:
        await steps.discard_file(services, before)


async def _put(
    db: Connection,
    services: Services,
    caller: Caller,
    group: Group,
    application: Application,
    version: str,
    before: Release | None,
    file: File,
) -> None:
    """The application's release of that version has this file; one that a publisher signed stays as it is."""
    release = before
    if release is None:
        release = await steps.add(db, services, caller, application, version, _ALONE, None, SERVER)
    if release.signed_by != SERVER:
        raise Conflict(f"{application.name} {version} is a release that a publisher signed; choose another version")
    if release.file is None or release.file.sha256 != file.sha256:
        await _check_is_alone(db, group, release)
        await steps.put_file(db, services, caller, application, release, file)


async def _check_is_alone(db: Connection, group: Group, release: Release) -> None:
    """No other group can get the release: the token of one does not decide what the others run. Raises Invalid."""
    known = await groups.of_application(db, group.application)
    elsewhere = any(each.target_release == release.id for each in known if each.id != group.id)
    if elsewhere or release.strategy != "suspended":
        raise Invalid(f"{group.app} {release.version} exists with another content; choose another version")


def _new_path(group: Group) -> str:
    mark = "".join(secrets.choice(_PATH_SIGNS) for _ in range(_PATH_RANDOM_CHARACTERS))
    return f"ota/group/{group.id}{mark}/firmware.bin"
