"""/api/v1/filters."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from twinslot_host.config import FILTER_GROUPS_LIMIT
from twinslot_host.domain.dates import date
from twinslot_host.domain.filters import Attribute, Filter, Predicate
from twinslot_host.domain.names import checked_name
from twinslot_host.flows import filters as flow
from twinslot_host.handlers import devices
from twinslot_host.handlers.attributes import Attributes, Tags, checked_tags
from twinslot_host.handlers.bodies import Body, Page
from twinslot_host.handlers.routes import Call, Routes, answer, no_content
from twinslot_host.handlers.views import Date, Listed
from twinslot_host.store import device_lists, filters

ROUTES = Routes("Filters", "/api/v1/filters")


class PredicateBody(Body):
    """Which devices a filter matches: those for which each part that is given holds; without any part, all.

    `groups`: in any of these; `tags`: has all of these; `attributes`: has all of these, with these values;
    `percentage`: among that part of all devices, which counts to 0.01 and keeps whom it has when it grows.
    """

    groups: Annotated[list[str], Field(min_length=1, max_length=FILTER_GROUPS_LIMIT)] | None = None
    tags: Tags | None = None
    attributes: Attributes | None = None
    percentage: Annotated[float, Field(ge=0, le=100)] | None = None


class FilterBody(Body):
    """A filter."""

    name: str
    predicate: PredicateBody


class ShownPredicate(BaseModel):
    """The parts that a filter's predicate has."""

    groups: list[str] | None = None
    tags: list[str] | None = None
    attributes: dict[str, Attribute] | None = None
    percentage: float | None = None

    @classmethod
    def of(cls, predicate: Predicate) -> "ShownPredicate":
        """The predicate as it is shown."""
        return cls(**{name: value for name, value in vars(predicate).items() if value is not None})


class ShownFilter(BaseModel):
    """A filter in a list."""

    id: str
    name: str
    predicate: ShownPredicate
    created_at: Date

    @classmethod
    def of(cls, row: Filter) -> "ShownFilter":
        """The filter as a list shows it."""
        return cls(
            id=row.id, name=row.name, predicate=ShownPredicate.of(row.predicate), created_at=date(row.created_at_ms)
        )


class CountedFilter(ShownFilter):
    """A filter, and how many devices it matches now."""

    devices: int

    @classmethod
    def counted(cls, row: Filter, devices: int) -> "CountedFilter":
        """The filter as it is shown by itself."""
        return cls(**vars(ShownFilter.of(row)), devices=devices)


@ROUTES.add("POST", "", scope="filter:update", body=FilterBody, answers={201: CountedFilter}, errors=(409,))
async def create(call: Call) -> web.Response:
    """A filter is made; its id is the server's choice."""
    made = await flow.create(call.services, call.caller, *_checked(call.json(FilterBody)))
    return answer(await _counted(call, made), 201)


@ROUTES.add("GET", "", scope="filter:read", query=Page, answers={200: Listed[ShownFilter]})
async def list_all(call: Call) -> web.Response:
    """The account's filters by name; how many devices one matches is shown with it alone."""
    page, db = call.query(Page), call.services.database.reader
    rows = await filters.page(db, call.account, page.offset, page.limit)
    items = [ShownFilter.of(row) for row in rows]
    return answer(Listed[ShownFilter](items=items, total=await filters.count(db, call.account)))


@ROUTES.add("GET", "/{id}", scope="filter:read", answers={200: CountedFilter}, errors=(404,))
async def show(call: Call) -> web.Response:
    """A filter."""
    return answer(await _counted(call, await _found(call)))


@ROUTES.add("PUT", "/{id}", scope="filter:update", body=FilterBody, answers={200: CountedFilter}, errors=(404, 409))
async def update(call: Call) -> web.Response:
    """The filter has this name and predicate, in the place of those it had."""
    body = call.json(FilterBody)
    row = await flow.update(call.services, call.caller, call.part("id"), *_checked(body))
    return answer(await _counted(call, row))


@ROUTES.add("DELETE", "/{id}", scope="filter:update", answers={204: None}, errors=(404, 409))
async def remove(call: Call) -> web.Response:
    """The filter is gone, which no release goes out to."""
    await flow.remove(call.services, call.caller, call.part("id"))
    return no_content()


@ROUTES.add(
    "GET", "/{id}/devices", scope="device:read", query=Page, answers={200: Listed[devices.Device]}, errors=(404,)
)
async def matching(call: Call) -> web.Response:
    """The devices that the filter matches now, by id."""
    page, db = call.query(Page), call.services.database.reader
    found = await flow.matched(db, call.account, await _found(call))
    rows = await device_lists.named(db, call.account, found[page.offset : page.offset + page.limit])
    return answer(Listed[devices.Device](items=await devices.shown(call.services, rows), total=len(found)))


async def _found(call: Call) -> Filter:
    return await flow.filter_of(call.services.database.reader, call.account, call.part("id"))


def _checked(body: FilterBody) -> tuple[str, Predicate]:
    given = body.predicate
    return checked_name("name", body.name), Predicate(
        groups=None if given.groups is None else tuple(sorted(set(given.groups))),
        tags=None if given.tags is None else tuple(checked_tags("predicate.tags", given.tags)),
        attributes=given.attributes,
        percentage=None if given.percentage is None else round(given.percentage, 2),
    )


async def _counted(call: Call, row: Filter) -> CountedFilter:
    return CountedFilter.counted(row, len(await flow.matched(call.services.database.reader, call.account, row)))
