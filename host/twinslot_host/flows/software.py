"""Applications and their releases, as the APIs change them.

Each function raises Invalid, NotFound or Conflict with a message that names the field or the thing, and has changed
nothing then; when it returns, the change is durable, and its line is in the audit.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from twinslot_host.artifacts import Incoming
from twinslot_host.domain.caller import Caller
from twinslot_host.domain.release import SERVER, Release
from twinslot_host.errors import Conflict, NotFound
from twinslot_host.flows import steps, uploads
from twinslot_host.flows.steps import Fields
from twinslot_host.services import Services
from twinslot_host.store import applications, audit, devices, files, groups, release_filters, releases


async def create(
    services: Services, caller: Caller, app: str, version: str, wanted: Fields, specification: bytes | None
) -> Release:
    """The release exists, unsigned and without a file; its application comes into being with it."""
    async with services.database.write() as db:
        application = await applications.ensure(db, caller.account, app, services.now_ms())
        await steps.check_free(db, application, version)
        release = await steps.add(db, services, caller, application, version, wanted, specification, SERVER)
        await steps.check_reaches(db, application, None, release)
        return release


async def update(services: Services, caller: Caller, app: str, version: str, wanted: Fields) -> Release:
    """The release has these fields, all of them, in the place of those it had."""
    return await change(services, caller, app, version, vars(wanted))


async def change(services: Services, caller: Caller, app: str, version: str, given: Mapping[str, Any]) -> Release:
    """The release has the given ones of its Fields in the place of those it had."""
    async with services.database.write() as db:
        application, release = await steps.find(db, caller.account, app, version)
        old = {each.name: getattr(release, each.name) for each in fields(Fields)}
        new = Fields(**(old | dict(given)))
        await steps.check_filters(db, caller.account, new)
        await releases.update(db, release.id, new.strategy, new.upgradable_from, new.metadata, new.waits_for_file)
        await release_filters.replace(db, caller.account, release.id, new.filters)
        changed = await steps.reread(db, application, release)
        await steps.check_reaches(db, application, release, changed)
        await steps.note(db, services, caller, "release.update", application, release, {"strategy": new.strategy})
        return changed


async def set_file(
    services: Services, caller: Caller, app: str, version: str, name: str, incoming: Incoming
) -> Release:
    """The release's file is the upload, under that name; what it was before is gone. It is signed when it is offered.

    Conflict: a device is installing the release.
    """
    file = await uploads.any_file(name, incoming)
    async with uploads.kept_file(services, caller.account, incoming, file) as db:
        application, release = await steps.find(db, caller.account, app, version)
        await uploads.check_fits(db, application, file)
        changed = await steps.put_file(db, services, caller, application, release, file)
    await steps.discard_file(services, release)
    return changed


async def remove_file(services: Services, caller: Caller, app: str, version: str, name: str) -> Release:
    """The release has no file, and reaches nobody until it has another. Conflict: a device is installing it."""
    async with services.database.write() as db:
        application, release = await steps.find(db, caller.account, app, version)
        if release.file is None or release.file.name != name:
            raise NotFound(f"{app} {version} has no file {name[:80]!r}")
        await steps.check_not_installing(db, release)
        await files.remove(db, release.id)
        await releases.change_content(db, release.id, lost_file=True)
        await steps.note(db, services, caller, "release.file.delete", application, release, {"file": name})
        changed = await steps.reread(db, application, release)
    await steps.discard_file(services, release)
    return changed


async def delete(services: Services, caller: Caller, app: str, version: str) -> None:
    """The release is gone. Conflict: a device runs or installs it, or a group is held at it."""
    async with services.database.write() as db:
        application, release = await steps.find(db, caller.account, app, version)
        device = await devices.running(db, application.id, version)
        if device is not None:
            raise Conflict(f"{app} {version} can't be deleted: the device {device!r} runs it")
        await steps.check_not_installing(db, release)
        held = next((each for each in await groups.of_application(db, application.id) if each.target == version), None)
        if held is not None:
            raise Conflict(f"{app} {version} can't be deleted: the group {held.name!r} is held at exactly this version")
        await releases.remove(db, release.id)
        await steps.note(db, services, caller, "release.delete", application, release, {})
    await steps.discard_file(services, release)


async def delete_application(services: Services, caller: Caller, app: str) -> None:
    """The application is gone. Conflict: it has groups or releases."""
    async with services.database.write() as db:
        application = await steps.application_of(db, caller.account, app)
        known, count = await groups.of_application(db, application.id), await releases.count(db, application.id)
        if known or count:
            raise Conflict(
                f"{app} can't be deleted: it has {len(known)} groups and {count} releases; delete them first"
            )
        await applications.remove(db, application.id)
        await audit.add(db, caller, "application.delete", f"application:{app}", services.now_ms())
