"""Packages that lie on this server: uploaded, handed to devices by links, and removed."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from twinslot_host import links
from twinslot_host.artifacts import Incoming
from twinslot_host.domain.caller import Caller
from twinslot_host.errors import Conflict, Forbidden, NotFound
from twinslot_host.flows import uploads
from twinslot_host.services import Services
from twinslot_host.store import audit, packages
from twinslot_host.store.database import Connection
from twinslot_host.store.packages import Package, PackageFile


@dataclass(frozen=True)
class Upload:
    """A file that came for a package: where it goes, and what it holds."""

    path: str
    incoming: Incoming


async def add(services: Services, caller: Caller, name: str, version: str, files: Sequence[Upload]) -> Package:
    """The package is there, durably, with these files. Raises Conflict when there is one of that name and version."""
    its = [PackageFile(each.path, each.incoming.sha256, each.incoming.size_bytes) for each in files]
    size_bytes = sum(each.size_bytes for each in its)
    package = Package(str(uuid.uuid4()), caller.account, name, version, size_bytes, services.now_ms())
    async with uploads.kept(services, *(each.incoming for each in files)) as db:
        await check_free(db, caller.account, name, version)
        await packages.add(db, package, its)
        detail = {"files": [each.path for each in its]}
        await audit.add(db, caller, "package.create", _subject(package), package.created_at_ms, detail)
    services.metrics.uploads.inc()
    return package


async def check_free(db: Connection, account: str, name: str, version: str) -> None:
    """The account has no package of that name and version. Raises Conflict."""
    if await packages.named(db, account, name, version) is not None:
        raise Conflict(f"{name} {version} exists already; give this one another version, or delete that one")


async def remove(services: Services, caller: Caller, package: str) -> None:
    """The package is gone. Raises NotFound, and Conflict while a device is still to install it."""
    async with services.database.write() as db:
        found = await package_of(db, caller.account, package)
        device = await packages.awaiting(db, found)
        if device is not None:
            raise Conflict(
                f"{found.name} {found.version}: the device {device!r} is still to install it; cancel that operation, or"
                " wait until it is over"
            )
        files = await packages.files_of(db, found.id)
        await packages.remove(db, found.id)
        await audit.add(db, caller, "package.delete", _subject(found), services.now_ms())
    await uploads.discard_unused(services, *(file.sha256 for file in files))


async def package_of(db: Connection, account: str, package: str) -> Package:
    """The account's package of that id. Raises NotFound."""
    found = await packages.find(db, account, package)
    if found is None:
        raise NotFound(f"there is no package {package[:80]!r}")
    return found


async def link(db: Connection, services: Services, account: str, name: str, version: str) -> str | None:
    """The path and query under which a device gets the account's package of that name and version, for a while;
    None: it is gone."""
    found = await packages.named(db, account, name, version)
    if found is None:
        return None
    return links.path(services.link_key, found.id, services.now_s(), services.link_life_s, "package")


async def package_json(services: Services, package: str, expires: str, key: str) -> bytes:
    """The `package.json` of the package, with links to its files. Raises Forbidden for a link that is altered or
    expired, NotFound when the package is gone."""
    now_s, life_s, secret = services.now_s(), services.link_life_s, services.link_key
    if not links.allows(secret, package, expires, key, now_s, "package"):
        raise Forbidden("the link is altered or expired; check in again for another")
    db = services.database.reader
    found = await packages.get(db, package)
    if found is None:
        raise NotFound("the package is gone; check in again")
    files = await packages.files_of(db, package)
    told = {
        "version": found.version,
        "urls": [[each.path, links.path(secret, each.sha256, now_s, life_s)] for each in files],
        "sha256": {each.path: each.sha256 for each in files},
    }
    return json.dumps(told, separators=(",", ":")).encode()


def _subject(package: Package) -> str:
    return f"package:{package.name}/{package.version}"
