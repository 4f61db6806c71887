"""Operations, and devices' queues of them."""

from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel

from twinslot_host.domain import queue as rules
from twinslot_host.domain import uris
from twinslot_host.domain.dates import date, date_or_none
from twinslot_host.flows import fleet, queue
from twinslot_host.handlers.bodies import Page
from twinslot_host.handlers.routes import Call, Routes, answer
from twinslot_host.handlers.views import Date, Listed
from twinslot_host.store import operations

ROUTES = Routes("Operations", "/api/v1")

Kind = Literal["command", "install", "uninstall"]
State = Literal["queued", "sent", "running", "succeeded", "failed", "timed out", "cancelled"]


class QueuePage(Page):
    """Which of the device's operations are wanted: those in one state; those that are over, or are not."""

    state: State | None = None
    over: bool | None = None


class Listing(BaseModel):
    """An operation: something that a device does once.

    `request` is what it does, without any credentials; `timeout` is how many seconds an attempt may take. `stopping`:
    it was cancelled, and the device is told so when it next reports. `attempt` counts how often the device got it, and
    `started_at` is when it got it last.
    """

    id: str
    device: str
    job: str | None
    kind: Kind
    request: dict[str, Any]
    timeout: int
    state: State
    stopping: bool
    attempt: int
    progress: int | None
    exit_code: int | None
    reason: str
    created_at: Date
    started_at: Date | None
    ended_at: Date | None

    @classmethod
    def of(cls, row: rules.Operation) -> "Listing":
        """The operation as a list shows it."""
        return cls.model_validate(
            {
                "id": row.id,
                "device": row.device,
                "job": row.job,
                "kind": row.kind,
                "request": uris.without_credentials(row.request),
                "timeout": row.timeout_s,
                "state": row.state,
                "stopping": row.stop,
                "attempt": row.attempt,
                "progress": row.progress,
                "exit_code": row.exit_code,
                "reason": row.reason,
                "created_at": date(row.created_at_ms),
                "started_at": date_or_none(row.started_at_ms),
                "ended_at": date_or_none(row.ended_at_ms),
            }
        )


class Operation(Listing):
    """An operation with what it has printed; `cut`: it printed more than is kept."""

    output: str
    errors: str
    cut: bool

    @classmethod
    def whole(cls, row: rules.Operation) -> "Operation":
        """The operation as it is shown by itself."""
        return cls(**vars(Listing.of(row)), output=row.output, errors=row.errors, cut=row.cut)


@ROUTES.add(
    "GET",
    "/devices/{id}/queue",
    scope="job:read",
    query=QueuePage,
    answers={200: Listed[Listing]},
    errors=(404,),
)
async def of_device(call: Call) -> web.Response:
    """The device's operations, in the order in which it does them."""
    page, db = call.query(QueuePage), call.services.database.reader
    device = await fleet.device_of(db, call.account, call.part("id"))
    wanted = operations.Wanted(page.state, page.over)
    rows = await operations.page(db, device.id, wanted, page.offset, page.limit)
    total = await operations.count(db, device.id, wanted)
    return answer(Listed[Listing](items=[Listing.of(row) for row in rows], total=total))


@ROUTES.add("GET", "/operations/{id}", scope="job:read", answers={200: Operation}, errors=(404,))
async def show(call: Call) -> web.Response:
    """An operation with what it has printed."""
    found = await queue.operation_of(call.services.database.reader, call.account, call.part("id"))
    return answer(Operation.whole(found))


@ROUTES.add("POST", "/operations/{id}/cancel", scope="job:update", answers={200: Operation}, errors=(404,))
async def cancel(call: Call) -> web.Response:
    """The operation is cancelled when it is queued, is to stop when the device has it, and stays as it is when it is
    over."""
    return answer(Operation.whole(await queue.cancel_one(call.services, call.caller, call.part("id"))))
