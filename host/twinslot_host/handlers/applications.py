"""/api/v1/applications."""

from aiohttp import web
from pydantic import BaseModel

from twinslot_host.domain.dates import date
from twinslot_host.domain.names import checked_name
from twinslot_host.flows import software, steps
from twinslot_host.handlers.bodies import Page
from twinslot_host.handlers.releases import Release
from twinslot_host.handlers.routes import Call, Routes, answer, no_content
from twinslot_host.handlers.views import Date, Listed
from twinslot_host.store import applications, releases

ROUTES = Routes("Applications", "/api/v1/applications")


class ListedApplication(BaseModel):
    """An application in a list, with how many releases and groups it has."""

    name: str
    releases: int
    groups: int
    created_at: Date

    @classmethod
    def of(cls, row: applications.Counted) -> "ListedApplication":
        """The application as a list shows it."""
        return cls(name=row.name, releases=row.releases, groups=row.groups, created_at=date(row.created_at_ms))


class Application(BaseModel):
    """An application with its releases, the oldest first."""

    name: str
    last_sequence: int
    releases: list[Release]


@ROUTES.add("GET", "", scope="application:software:read", query=Page, answers={200: Listed[ListedApplication]})
async def list_all(call: Call) -> web.Response:
    """The account's applications by name."""
    page, db = call.query(Page), call.services.database.reader
    rows = await applications.page(db, call.account, page.offset, page.limit)
    items = [ListedApplication.of(row) for row in rows]
    return answer(Listed[ListedApplication](items=items, total=await applications.count(db, call.account)))


@ROUTES.add("GET", "/{app}", scope="application:software:read", answers={200: Application}, errors=(404,))
async def show(call: Call) -> web.Response:
    """An application with its releases."""
    db = call.services.database.reader
    application = await steps.application_of(db, call.account, _name(call))
    rows = [Release.of(application.name, row) for row in await releases.of_application(db, application.id)]
    return answer(Application(name=application.name, last_sequence=application.last_sequence, releases=rows))


@ROUTES.add("DELETE", "/{app}", scope="application:software:delete", answers={204: None}, errors=(404, 409))
async def delete(call: Call) -> web.Response:
    """An application is gone, that has no groups and no releases."""
    await software.delete_application(call.services, call.caller, _name(call))
    return no_content()


def _name(call: Call) -> str:
    return checked_name("application", call.part("app"))
