"""/api/v1/tags."""

from aiohttp import web
from pydantic import BaseModel

from twinslot_host.handlers.bodies import Page
from twinslot_host.handlers.routes import Call, Routes, answer
from twinslot_host.handlers.views import Listed
from twinslot_host.store import device_tags

ROUTES = Routes("Devices", "/api/v1/tags")


class Tag(BaseModel):
    """A tag, and how many devices have it."""

    name: str
    devices: int


@ROUTES.add("GET", "", scope="device:read", query=Page, answers={200: Listed[Tag]})
async def list_all(call: Call) -> web.Response:
    """The tags of the account's devices by name."""
    page, db = call.query(Page), call.services.database.reader
    rows = await device_tags.page(db, call.account, page.offset, page.limit)
    items = [Tag(name=name, devices=devices) for name, devices in rows]
    return answer(Listed[Tag](items=items, total=await device_tags.count(db, call.account)))
