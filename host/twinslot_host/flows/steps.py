"""The steps of which changes to releases are made, each in its caller's transaction.

They raise Invalid, NotFound or Conflict with a message that names the field or the thing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from twinslot_host.domain.caller import Caller
from twinslot_host.domain.json_values import is_object
from twinslot_host.domain.release import SERVER, File, Release, Strategy, Targeting
from twinslot_host.errors import Conflict, Invalid, NotFound
from twinslot_host.flows import server_signing, uploads
from twinslot_host.services import Services
from twinslot_host.store import applications, audit, devices, files, filters, groups, release_filters, releases
from twinslot_host.store.applications import Application
from twinslot_host.store.database import Connection
from twinslot_host.store.groups import Group
from twinslot_host.store.releases import NewRelease


@dataclass(frozen=True)
class Fields:
    """What can be changed of a release; `metadata` is JSON text."""

    strategy: Strategy
    upgradable_from: Sequence[str] | None
    filters: Sequence[Targeting]
    metadata: str | None
    waits_for_file: bool


async def application_of(db: Connection, account: str, app: str) -> Application:
    """The account's application of that name. Raises NotFound."""
    found = await applications.find(db, account, app)
    if found is None:
        raise NotFound(f"there is no application {app[:80]!r}")
    return found


async def find(db: Connection, account: str, app: str, version: str) -> tuple[Application, Release]:
    """The account's application of that name, and its release of that version. Raises NotFound naming which is not."""
    application = await application_of(db, account, app)
    release = await releases.find(db, application.id, version)
    if release is None:
        raise NotFound(f"{app} has no release {version[:80]!r}")
    return application, release


async def add(
    db: Connection,
    services: Services,
    caller: Caller,
    application: Application,
    version: str,
    fields: Fields,
    specification: bytes | None,
    signed_by: str,
) -> Release:
    """The release exists, without a file. The caller has seen that its version is free."""
    await check_filters(db, caller.account, fields)
    new = NewRelease(
        version=version,
        strategy=fields.strategy,
        upgradable_from=fields.upgradable_from,
        specification=specification,
        metadata=fields.metadata,
        waits_for_file=fields.waits_for_file,
        signed_by=signed_by,
    )
    added = await releases.add(db, caller.account, application.id, new, services.now_ms())
    await release_filters.replace(db, caller.account, added, fields.filters)
    release = await releases.find(db, application.id, version)
    assert release is not None
    await note(db, services, caller, "release.create", application, release, {"strategy": fields.strategy})
    return release


async def put_file(
    db: Connection, services: Services, caller: Caller, application: Application, release: Release, file: File
) -> Release:
    """The release's file is this one, which fits its devices. Its signatures are void if its content is another."""
    if file.bundle is None and release.specification is not None and not is_object(release.specification):
        raise Invalid("file: the specification is not an object, so it has no place for the file's link")
    if release.file is None or release.file.sha256 != file.sha256:
        await server_signing.check_trusted(db, application)
        await check_not_installing(db, release)
        await releases.change_content(db, release.id, lost_file=False)
    await files.put(db, caller.account, release.id, file)
    await note(
        db, services, caller, "release.file.set", application, release, {"file": file.name, "sha256": file.sha256}
    )
    return await reread(db, application, release)


async def set_target(db: Connection, caller: Caller, group: Group, version: str | None, now_ms: int) -> None:
    """The group is held at exactly that release of its application; None: at none."""
    release = None if version is None else await releases.find(db, group.application, version)
    if version is not None and release is None:
        raise Invalid(f"target: {group.app} has no release {version[:80]!r}")
    await groups.set_target(db, group.id, None if release is None else release.id)
    await audit.add(db, caller, "group.target", f"group:{group.id}", now_ms, {"version": version})


async def reread(db: Connection, application: Application, release: Release) -> Release:
    """The release as it is now, in the transaction that changed it."""
    found = await releases.find(db, application.id, release.version)
    assert found is not None
    return found


async def check_free(db: Connection, application: Application, version: str) -> None:
    """The application has no release of that version. Raises Conflict."""
    if await releases.find(db, application.id, version) is not None:
        raise Conflict(f"{application.name} {version} exists already; publish under a higher version")


async def check_filters(db: Connection, account: str, fields: Fields) -> None:
    """The filters are the account's, each there once. Raises Invalid."""
    for place, each in enumerate(fields.filters):
        if await filters.find(db, account, each.filter_id) is None:
            raise Invalid(f"filters.{place}: there is no filter {each.filter_id[:80]!r}")
        if any(each.filter_id == other.filter_id for other in fields.filters[:place]):
            raise Invalid(f"filters.{place}: the filter {each.filter_id!r} is given twice")


async def check_reaches(db: Connection, application: Application, before: Release | None, release: Release) -> None:
    """A release that became complete without a file, for the server to sign, is for somebody. Raises Invalid."""
    was_complete = before is not None and before.kind is not None
    if not was_complete and release.kind is not None and release.file is None and release.signed_by == SERVER:
        await server_signing.check_trusted(db, application)


async def check_not_installing(db: Connection, release: Release) -> None:
    device = await devices.installing(db, release.id)
    if device is not None:
        raise Conflict(f"{release.version}: the device {device!r} is installing it; wait until it has told the outcome")


async def discard_file(services: Services, before: Release) -> None:
    """The content of the file that the release had is gone, unless a release uses it."""
    if before.file is not None:
        await uploads.discard_unused(services, before.file.sha256)


async def note(
    db: Connection,
    services: Services,
    caller: Caller,
    action: str,
    application: Application,
    release: Release,
    detail: dict[str, object],
) -> None:
    subject = f"release:{application.name}/{release.version}"
    await audit.add(db, caller, action, subject, services.now_ms(), detail)
