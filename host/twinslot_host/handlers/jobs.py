"""/api/v1/jobs."""

from collections.abc import Mapping
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from twinslot_host.config import JOB_TIMEOUT_LIMIT_S, JOB_TIMEOUT_S, PAGE_WHOLE_LIMIT
from twinslot_host.domain import jobs as domain
from twinslot_host.domain.dates import date, date_or_none
from twinslot_host.domain.queue import STATES
from twinslot_host.errors import Invalid
from twinslot_host.flows import jobs as flow
from twinslot_host.handlers.bodies import Body, Page
from twinslot_host.handlers.operations import Operation
from twinslot_host.handlers.routes import Call, Routes, answer, no_content
from twinslot_host.handlers.views import Date, Listed
from twinslot_host.handlers.workflows import Command, Name, Reference
from twinslot_host.store import jobs, operations

ROUTES = Routes("Jobs", "/api/v1/jobs")


class ChildrenPage(Page):
    """Which part of a list is wanted whose items have all that was printed."""

    limit: Annotated[int, Field(ge=1, le=PAGE_WHOLE_LIMIT)] = PAGE_WHOLE_LIMIT


class JobBody(Body):
    """A command, or the id of a workflow, and whom it is for: a device, a group or a tag. One of each is given.

    `group` is the group's id; `timeout` is how long the command may take on a device, in seconds.
    """

    name: Name
    command: Command | None = None
    workflow: Reference | None = None
    device: Reference | None = None
    group: Reference | None = None
    tag: Reference | None = None
    timeout: Annotated[int, Field(ge=1, le=JOB_TIMEOUT_LIMIT_S)] = JOB_TIMEOUT_S


class Job(BaseModel):
    """A command that was submitted, and how many of its devices are how far.

    `target_name` is the device's id, or the group's or tag's name as it was then.
    """

    id: str
    name: str
    workflow: str | None
    command: str
    target: domain.Target
    target_name: str
    timeout: int
    states: dict[str, int]
    created_at: Date
    started_at: Date | None
    ended_at: Date | None

    @classmethod
    def of(cls, row: domain.Job, tally: domain.Tally) -> "Job":
        """The job as it is shown."""
        return cls(
            id=row.id,
            name=row.name,
            workflow=row.workflow,
            command=row.command,
            target=row.target,
            target_name=row.target_name,
            timeout=row.timeout_s,
            states={state: tally.counts.get(state, 0) for state in STATES},
            created_at=date(row.created_at_ms),
            started_at=date_or_none(tally.started_at_ms),
            ended_at=date_or_none(tally.ended_at_ms),
        )


@ROUTES.add("POST", "", scope="job:update", body=JobBody, answers={201: Job}, errors=(404, 409))
async def submit(call: Call) -> web.Response:
    """The command is at the end of each device's queue; 409 when one of them is full, and then it is in none."""
    body = call.json(JobBody)
    check_one({"command": body.command, "workflow": body.workflow})
    check_one({"device": body.device, "group": body.group, "tag": body.tag})
    order = flow.Order(
        name=body.name,
        target=flow.Target(device=body.device, group=body.group, tag=body.tag),
        timeout_s=body.timeout,
        command=body.command,
        workflow=body.workflow,
    )
    return answer(await _shown(call, await flow.submit(call.services, call.caller, order)), 201)


@ROUTES.add("GET", "", scope="job:read", query=Page, answers={200: Listed[Job]})
async def list_all(call: Call) -> web.Response:
    """The account's jobs, the last one submitted first."""
    page, db = call.query(Page), call.services.database.reader
    rows = await jobs.page(db, call.account, page.offset, page.limit)
    tallies = await jobs.tallies(db, rows)
    items = [Job.of(row, tallies[row.id]) for row in rows]
    return answer(Listed[Job](items=items, total=await jobs.count(db, call.account)))


@ROUTES.add("GET", "/{id}", scope="job:read", answers={200: Job}, errors=(404,))
async def show(call: Call) -> web.Response:
    """A job."""
    return answer(await _shown(call, await _found(call)))


@ROUTES.add(
    "GET", "/{id}/children", scope="job:read", query=ChildrenPage, answers={200: Listed[Operation]}, errors=(404,)
)
async def children(call: Call) -> web.Response:
    """The job on each of its devices, by id."""
    page, db, job = call.query(ChildrenPage), call.services.database.reader, await _found(call)
    items = [Operation.whole(row) for row in await operations.of_job(db, job.id, page.limit, page.offset)]
    tally = (await jobs.tallies(db, [job]))[job.id]
    return answer(Listed[Operation](items=items, total=sum(tally.counts.values())))


@ROUTES.add("DELETE", "/{id}", scope="job:update", answers={204: None}, errors=(404,))
async def remove(call: Call) -> web.Response:
    """The job is gone: it is cancelled where it is queued, and told to stop where it runs."""
    await flow.remove(call.services, call.caller, call.part("id"))
    return no_content()


def check_one(given: Mapping[str, str | None]) -> None:
    """Exactly one of them is given. Raises Invalid naming all."""
    if sum(value is not None for value in given.values()) != 1:
        *names, last = given
        raise Invalid(f"give exactly one of {', '.join(names)} and {last}")


async def _found(call: Call) -> domain.Job:
    return await flow.job_of(call.services.database.reader, call.account, call.part("id"))


async def _shown(call: Call, row: domain.Job) -> Job:
    return Job.of(row, (await jobs.tallies(call.services.database.reader, [row]))[row.id])
