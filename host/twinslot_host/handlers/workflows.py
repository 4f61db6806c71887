"""/api/v1/workflows."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field

from twinslot_host.config import COMMAND_LIMIT, WORKFLOW_NAME_LIMIT
from twinslot_host.domain.dates import date
from twinslot_host.flows import workflows as flow
from twinslot_host.handlers.bodies import Body, Page
from twinslot_host.handlers.routes import Call, Routes, answer, no_content
from twinslot_host.handlers.views import Date, Listed
from twinslot_host.store import workflows

ROUTES = Routes("Jobs", "/api/v1/workflows")

_NO_CONTROL_CHARACTER = r"^[^\x00-\x1f\x7f-\x9f]*$"

Name = Annotated[str, Field(min_length=1, max_length=WORKFLOW_NAME_LIMIT, pattern=_NO_CONTROL_CHARACTER)]
Command = Annotated[str, Field(min_length=1, max_length=COMMAND_LIMIT, pattern=_NO_CONTROL_CHARACTER)]
Reference = Annotated[str, Field(min_length=1, max_length=WORKFLOW_NAME_LIMIT, pattern=_NO_CONTROL_CHARACTER)]


class WorkflowBody(Body):
    """A command, and what people call it."""

    name: Name
    command: Command


class Workflow(BaseModel):
    """A command that can be submitted as a job, again and again."""

    id: str
    name: str
    command: str
    created_at: Date

    @classmethod
    def of(cls, row: workflows.Workflow) -> "Workflow":
        """The workflow as it is shown."""
        return cls(id=row.id, name=row.name, command=row.command, created_at=date(row.created_at_ms))


@ROUTES.add("POST", "", scope="workflow:update", body=WorkflowBody, answers={201: Workflow})
async def create(call: Call) -> web.Response:
    """A workflow is made; two may have the same name."""
    body = call.json(WorkflowBody)
    return answer(Workflow.of(await flow.create(call.services, call.caller, body.name, body.command)), 201)


@ROUTES.add("GET", "", scope="workflow:read", query=Page, answers={200: Listed[Workflow]})
async def list_all(call: Call) -> web.Response:
    """The account's workflows, in the order in which they were made."""
    page, db = call.query(Page), call.services.database.reader
    items = [Workflow.of(row) for row in await workflows.page(db, call.account, page.offset, page.limit)]
    return answer(Listed[Workflow](items=items, total=await workflows.count(db, call.account)))


@ROUTES.add("GET", "/{id}", scope="workflow:read", answers={200: Workflow}, errors=(404,))
async def show(call: Call) -> web.Response:
    """A workflow."""
    return answer(Workflow.of(await flow.workflow_of(call.services.database.reader, call.account, call.part("id"))))


@ROUTES.add("DELETE", "/{id}", scope="workflow:update", answers={204: None}, errors=(404,))
async def remove(call: Call) -> web.Response:
    """The workflow is gone; the jobs that it was submitted as go on."""
    await flow.remove(call.services, call.caller, call.part("id"))
    return no_content()
