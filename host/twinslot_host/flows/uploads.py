"""What an upload must be before it is a release's file, and how it is kept together with the change that names it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from twinslot_host import building
from twinslot_host.artifacts import Incoming
from twinslot_host.config import SLOT_LEAST_BYTES
from twinslot_host.domain import bundle_archive
from twinslot_host.domain import image as images
from twinslot_host.domain.bundle_archive import NoBundle
from twinslot_host.domain.deltas import Pair
from twinslot_host.domain.image import CHIPS, chip_name
from twinslot_host.domain.release import BundleFacts, File
from twinslot_host.errors import Invalid
from twinslot_host.services import Services
from twinslot_host.store import devices, files, transfers
from twinslot_host.store.applications import Application
from twinslot_host.store.database import Connection
from twinslot_host.store.groups import Group

_IMAGE_NAME = "firmware.bin"  # where nobody gives a name
_BUNDLE_NAME = "bundle.tar.gz"


async def carried_file(incoming: Incoming) -> File:
    """The upload as a file that is an app image, or a bundle. Raises Invalid saying why it is neither."""
    return await asyncio.to_thread(_carried, incoming)


async def any_file(name: str, incoming: Incoming) -> File:
    """The upload as a file of that name: an app image, a bundle, or data. Raises Invalid when it is empty, a damaged or
    combined image, a damaged gzip, or a wrong bundle."""
    if incoming.size_bytes == 0:
        raise Invalid("file: it is empty")
    return await asyncio.to_thread(_any, name, incoming)


async def check_fits(db: Connection, application: Application, file: File, group: Group | None = None) -> None:
    """Devices of the application, or of that group, can run the image or the bundle. Raises Invalid naming the chips or
    the device.

    Only what a board can be counts, so that no device keeps others from their release by what it tells.
    """
    whose = "the application's" if group is None else "the group's"
    slots = await devices.smallest_slots(db, application.id, SLOT_LEAST_BYTES, None if group is None else group.id)
    known = [slot for slot in slots if slot.chip in CHIPS]
    if known and file.chip is not None and all(slot.chip != file.chip for slot in known):
        names = ", ".join(f"{slot.device} ({chip_name(slot.chip)})" for slot in known)
        raise Invalid(
            f"{file.kind_name}: it is for the {chip_name(file.chip)}, and {whose} devices are others: {names}"
        )
    for slot in known:
        if file.is_image and slot.chip == file.chip and 0 < slot.size_bytes < file.size_bytes:
            raise Invalid(
                f"image: its {file.size_bytes} bytes do not fit the smallest slot among {whose} devices,"
                f" that of {slot.device}, which has {slot.size_bytes} bytes; make it smaller"
            )


@asynccontextmanager
async def kept(services: Services, *incoming: Incoming | None) -> AsyncIterator[Connection]:
    """One transaction that ends with the files under their lasting names; when it raises, all is as it was."""
    files_of_it = [each for each in incoming if each is not None]
    try:
        async with services.database.write() as db:
            yield db
            for each in files_of_it:
                services.artifacts.keep(each)
    except BaseException:
        await discard_unused(services, *(each.sha256 for each in files_of_it))
        raise


@asynccontextmanager
async def kept_file(
    services: Services, account: str, incoming: Incoming | None, file: File | None
) -> AsyncIterator[Connection]:
    """As `kept`, for the upload that is the file of a release of the account's, if it has one; the transfer of an image
    without a base, or of a bundle, is kept with it."""
    with services.artifacts.temporary() as path:
        made = None
        if incoming is not None and file is not None and file.is_carried:
            made = await asyncio.to_thread(building.whole, incoming.path, path)
        async with kept(services, incoming, made) as db:
            if made is not None and file is not None:
                await transfers.put(db, Pair(account, file.sha256), made.sha256, made.size_bytes, services.now_ms())
            yield db
    if incoming is not None:
        services.metrics.uploads.inc()


async def discard_unused(services: Services, *sha256s: str) -> None:
    """The contents are gone that no release, package or transfer uses, and the transfers of what no release uses."""
    async with services.database.write() as db:
        made = await transfers.remove_unused(db)
    async with services.database.write() as db:  # what is committed names none of them, however power is cut
        for each in (*sha256s, *made):
            if not await files.uses(db, each):
                services.artifacts.discard(each)


def _carried(incoming: Incoming) -> File:
    data = incoming.path.read_bytes()
    if bundle_archive.is_gzip(data):
        return _bundle_file(_BUNDLE_NAME, incoming, data)
    return _image_file(_IMAGE_NAME, incoming, data)


def _any(name: str, incoming: Incoming) -> File:
    data = incoming.path.read_bytes()
    if images.looks_like_an_image(data):
        return _image_file(name, incoming, data)
    if bundle_archive.is_gzip(data):
        with suppress(NoBundle):
            return _bundle_file(name, incoming, data)
    return File(name, incoming.sha256, incoming.size_bytes, None, 0)


def _image_file(name: str, incoming: Incoming, data: bytes) -> File:
    image = images.parse(data)
    return File(name, incoming.sha256, incoming.size_bytes, image.chip, image.security_version)


def _bundle_file(name: str, incoming: Incoming, data: bytes) -> File:
    made = bundle_archive.parse(data)
    sha256 = hashlib.sha256(made.listing).hexdigest()
    facts = BundleFacts(sha256, len(made.listing), made.mpy, made.micropython)
    return File(name, incoming.sha256, incoming.size_bytes, made.chip, made.security_version, facts)
