"""/api/v1/packages: packages that devices can get from this server; and the `package.json` that they get."""

import re
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated

from aiohttp import BodyPartReader, hdrs, web
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from twinslot_host.artifacts import receive
from twinslot_host.config import API_BODY_LIMIT_BYTES, PACKAGE_FILES_LIMIT, PACKAGE_LIMIT_BYTES
from twinslot_host.domain.dates import date
from twinslot_host.domain.packages import NAME, TAKEN, check_apart, checked_path
from twinslot_host.errors import Invalid, TooLarge
from twinslot_host.flows import packages as flow
from twinslot_host.flows.packages import Upload
from twinslot_host.handlers import multipart
from twinslot_host.handlers.bodies import Body, Page, parsed
from twinslot_host.handlers.multipart import Parts
from twinslot_host.handlers.routes import JSON, MULTIPART, NO_STORE, Call, Routes, answer, no_content
from twinslot_host.handlers.views import Date, Listed
from twinslot_host.services import SERVICES
from twinslot_host.store import packages
from twinslot_host.store.database import Connection

ROUTES = Routes("Packages", "/api/v1/packages")


def _free(text: str) -> str:
    """The text, which no file of a board's own is called."""
    if text in TAKEN:
        raise PydanticCustomError("taken", f"no board takes that; {' and '.join(TAKEN)} are names of its own")
    return text


Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$"), AfterValidator(_free)]

_ABSOLUTE = re.compile(r'filename\s*=\s*"[/\\]', re.IGNORECASE)


class PackageBody(Body):
    """What a package is called."""

    name: Name
    version: Name


class PackageForm(BaseModel):
    """The parts of a package, in this order; `file` once for each file, whose file name is its path in the package.

    A path is relative, printable ASCII of at most 128 characters, without empty parts, `.` and `..`. There are at most
    64 files, of 1 MiB together.
    """

    package: PackageBody
    file: bytes


class PackageFile(BaseModel):
    """A file of a package."""

    path: str
    size: int
    sha256: str

    @classmethod
    def of(cls, row: packages.PackageFile) -> "PackageFile":
        """The file as it is shown."""
        return cls(path=row.path, size=row.size_bytes, sha256=row.sha256)


class Package(BaseModel):
    """A package that was uploaded; `size` is that of its files together."""

    id: str
    name: str
    version: str
    size: int
    created_at: Date

    @classmethod
    def of(cls, row: packages.Package) -> "Package":
        """The package as a list shows it."""
        return cls(
            id=row.id, name=row.name, version=row.version, size=row.size_bytes, created_at=date(row.created_at_ms)
        )


class PackageWithFiles(Package):
    """A package with its files by path."""

    files: list[PackageFile]


@ROUTES.add(
    "POST",
    "",
    scope="package:update",
    body=PackageForm,
    media=MULTIPART,
    answers={201: PackageWithFiles},
    errors=(409,),
)
async def upload(call: Call) -> web.Response:
    """A package is uploaded: its files are on disk, and devices can be told to install it, as `package:NAME`."""
    parts = await Parts.of(call.request)
    part = await parts.next()
    if part is None or part.name != "package":
        raise Invalid("package: that part is missing; it is the first, and a `file` for each file follows it")
    body = parsed(PackageBody, await multipart.text(part, API_BODY_LIMIT_BYTES))
    await flow.check_free(call.services.database.reader, call.account, body.name, body.version)
    with ExitStack() as temporaries:
        files = await _files(call, parts, temporaries)
        made = await flow.add(call.services, call.caller, body.name, body.version, files)
    return answer(await _with_files(call.services.database.reader, made), 201)


@ROUTES.add("GET", "", scope="package:read", query=Page, answers={200: Listed[Package]})
async def list_all(call: Call) -> web.Response:
    """The account's packages by name, of each name the newest first."""
    page, db = call.query(Page), call.services.database.reader
    rows = await packages.page(db, call.account, page.offset, page.limit)
    items = [Package.of(row) for row in rows]
    return answer(Listed[Package](items=items, total=await packages.count(db, call.account)))


@ROUTES.add("GET", "/{id}", scope="package:read", answers={200: PackageWithFiles}, errors=(404,))
async def show(call: Call) -> web.Response:
    """A package with its files."""
    db = call.services.database.reader
    return answer(await _with_files(db, await flow.package_of(db, call.account, call.part("id"))))


@ROUTES.add("DELETE", "/{id}", scope="package:update", answers={204: None}, errors=(404, 409))
async def remove(call: Call) -> web.Response:
    """The package is gone, which no device is still to install; where it is installed it stays."""
    await flow.remove(call.services, call.caller, call.part("id"))
    return no_content()


async def package_json(request: web.Request) -> web.Response:
    """The `package.json` for whoever has a link to it. 403: the link is altered or expired. 404: it is gone."""
    query = request.query
    made = await flow.package_json(
        request.app[SERVICES], request.match_info["id"], query.get("expires", ""), query.get("key", "")
    )
    return web.Response(body=made, content_type=JSON, headers={hdrs.CACHE_CONTROL: NO_STORE[hdrs.CACHE_CONTROL]})


async def _with_files(db: Connection, row: packages.Package) -> PackageWithFiles:
    files = [PackageFile.of(each) for each in await packages.files_of(db, row.id)]
    return PackageWithFiles(**vars(Package.of(row)), files=files)


async def _files(call: Call, parts: Parts, temporaries: ExitStack) -> list[Upload]:
    """The rest of the form, each file complete and synced under a temporary name. Raises Invalid, TooLarge."""
    files: list[Upload] = []
    left_bytes = PACKAGE_LIMIT_BYTES
    while (part := await parts.next()) is not None:
        if len(files) == PACKAGE_FILES_LIMIT:
            raise TooLarge(f"file: a package has at most {PACKAGE_FILES_LIMIT} of them")
        path = _path(part)
        check_apart(path, [each.path for each in files])
        temporary = temporaries.enter_context(call.services.artifacts.temporary())
        incoming = await receive(temporary, _bounded(part, left_bytes))
        left_bytes -= incoming.size_bytes
        files.append(Upload(path, incoming))
    if not files:
        raise Invalid("file: at least one is needed")
    return files


def _path(part: BodyPartReader) -> str:
    """The path that the part's file name is; aiohttp has taken slashes off its beginning."""
    if part.name != "file" or part.filename is None:
        raise Invalid("file: after `package` comes that part alone, once for each file, with the path as its file name")
    if _ABSOLUTE.search(part.headers.get(hdrs.CONTENT_DISPOSITION, "")):
        raise Invalid("file: its path is absolute; give the one inside the package's folder")
    return checked_path(part.filename)


async def _bounded(part: BodyPartReader, left_bytes: int) -> AsyncIterator[bytes]:
    async for chunk in multipart.chunks(part):
        left_bytes -= len(chunk)
        if left_bytes < 0:
            raise TooLarge(f"file: the files of a package are larger than {PACKAGE_LIMIT_BYTES} bytes together")
        yield chunk
