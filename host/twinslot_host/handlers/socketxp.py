"""/v1/workflow and /v1/job: SocketXP's OTA updates, as their public description has them.

Lists are whole, and sent as they are read, so that the outputs of many devices are never in memory together.
"""

from collections.abc import AsyncIterator, Sequence

from aiohttp import web
from pydantic import BaseModel

from twinslot_host.config import JOB_TIMEOUT_S
from twinslot_host.domain import jobs as domain
from twinslot_host.flows import jobs as job_flow
from twinslot_host.flows import workflows as workflow_flow
from twinslot_host.handlers.jobs import check_one
from twinslot_host.handlers.routes import JSON, Call, Routes, answer
from twinslot_host.handlers.socketxp_models import (
    Job,
    JobId,
    Jobs,
    NewJob,
    NewWorkflow,
    Workflow,
    WorkflowId,
    Workflows,
)
from twinslot_host.handlers.surfaces import SOCKETXP
from twinslot_host.store import jobs, operations, workflows

ROUTES = Routes("SocketXP workflows and jobs", "/v1", SOCKETXP)

_AT_ONCE = 100


@ROUTES.add("POST", "/workflow", scope="workflow:update", body=NewWorkflow, answers={200: WorkflowId})
async def create_workflow(call: Call) -> web.Response:
    """A workflow is made; two may have the same name."""
    body = call.json(NewWorkflow)
    made = await workflow_flow.create(call.services, call.caller, body.name, body.command)
    return answer(WorkflowId(workflow_id=made.id))


@ROUTES.add("GET", "/workflow", scope="workflow:read", answers={200: Workflows})
async def list_workflows(call: Call) -> web.StreamResponse:
    """All of the account's workflows, in the order in which they were made."""
    return await _sent(call, _workflows(call))


@ROUTES.add("GET", "/workflow/{id}", scope="workflow:read", answers={200: Workflow}, errors=(404,))
async def show_workflow(call: Call) -> web.Response:
    """A workflow."""
    db = call.services.database.reader
    return answer(Workflow.of(await workflow_flow.workflow_of(db, call.account, call.part("id"))))


@ROUTES.add("DELETE", "/workflow/{id}", scope="workflow:update", answers={200: None}, errors=(404,))
async def delete_workflow(call: Call) -> web.Response:
    """The workflow is gone; the jobs that it was submitted as go on."""
    await workflow_flow.remove(call.services, call.caller, call.part("id"))
    return web.Response()


@ROUTES.add("POST", "/job", scope="job:update", body=NewJob, answers={200: JobId}, errors=(404,))
async def submit(call: Call) -> web.Response:
    """The workflow's command is at the end of each device's queue; 400 when one is full, and then it is in none."""
    body = call.json(NewJob)
    check_one({"DeviceId": body.device_id, "DeviceGroup": body.device_group, "TagId": body.tag_id})
    target = job_flow.Target(device=body.device_id, group_name=body.device_group, tag=body.tag_id)
    order = job_flow.Order(body.name, target, JOB_TIMEOUT_S, workflow=body.workflow_id)
    return answer(JobId(job_id=(await job_flow.submit(call.services, call.caller, order)).id))


@ROUTES.add("GET", "/job", scope="job:read", answers={200: Jobs})
async def list_jobs(call: Call) -> web.StreamResponse:
    """All of the account's jobs, in the order in which they were submitted."""
    return await _sent(call, _jobs(call))


@ROUTES.add("GET", "/job/{id}/childjobs", scope="job:read", answers={200: Jobs}, errors=(404,))
async def list_children(call: Call) -> web.StreamResponse:
    """The job on each of its devices."""
    return await _sent(call, _children(call, await _found(call)))


@ROUTES.add("GET", "/job/{id}", scope="job:read", answers={200: Job}, errors=(404,))
async def show_job(call: Call) -> web.Response:
    """A job."""
    return answer((await _shown(call, [await _found(call)]))[0])


@ROUTES.add("DELETE", "/job/{id}", scope="job:update", answers={200: None}, errors=(404,))
async def delete_job(call: Call) -> web.Response:
    """The job is gone: it is cancelled where it is queued, and told to stop where it runs."""
    await job_flow.remove(call.services, call.caller, call.part("id"))
    return web.Response()


async def _found(call: Call) -> domain.Job:
    return await job_flow.job_of(call.services.database.reader, call.account, call.part("id"))


async def _shown(call: Call, rows: list[domain.Job]) -> list[Job]:
    db = call.services.database.reader
    tallies = await jobs.tallies(db, [row for row in rows if row.target != "device"])
    shown = []
    for row in rows:
        if row.target == "device":
            (child,) = await operations.of_job(db, row.id, 1)
            shown.append(Job.of_child(row, child, row.id))
        else:
            shown.append(Job.of(row, tallies[row.id]))
    return shown


async def _workflows(call: Call) -> AsyncIterator[list[Workflow]]:
    last_ms = -1
    while rows := await workflows.after(call.services.database.reader, call.account, last_ms, _AT_ONCE):
        yield [Workflow.of(row) for row in rows]
        last_ms = rows[-1].created_at_ms


async def _jobs(call: Call) -> AsyncIterator[list[Job]]:
    last_ms = -1
    while rows := await jobs.after(call.services.database.reader, call.account, last_ms, _AT_ONCE):
        yield await _shown(call, rows)
        last_ms = rows[-1].created_at_ms


async def _children(call: Call, job: domain.Job) -> AsyncIterator[list[Job]]:
    known = 0
    while rows := await operations.of_job(call.services.database.reader, job.id, _AT_ONCE, known):
        yield [Job.of_child(job, row, row.id) for row in rows]
        known += len(rows)


async def _sent(call: Call, parts: AsyncIterator[Sequence[BaseModel]]) -> web.StreamResponse:
    """The parts, as one JSON array, have been sent."""
    part: Sequence[BaseModel] | None = await anext(parts, None)  # what fails at once is still answered as any error
    response, before = web.StreamResponse(), b"["
    response.content_type = JSON
    await response.prepare(call.request)
    try:
        while part is not None:
            await response.write(before + b",".join(_json(each) for each in part))
            part, before = await anext(parts, None), b","
        await response.write_eof(b"[]" if before == b"[" else b"]")
    except BaseException:
        if call.request.transport is not None:
            call.request.transport.abort()  # so that nobody takes what was sent for the whole list
        raise
    return response


def _json(shown: BaseModel) -> bytes:
    return shown.model_dump_json(exclude_unset=True, by_alias=True).encode()
