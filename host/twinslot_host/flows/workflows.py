"""Workflows: made and removed."""

import uuid

from twinslot_host.domain.caller import Caller
from twinslot_host.errors import NotFound
from twinslot_host.services import Services
from twinslot_host.store import audit, workflows
from twinslot_host.store.database import Connection
from twinslot_host.store.workflows import Workflow


async def create(services: Services, caller: Caller, name: str, command: str) -> Workflow:
    """The workflow, durable, and later than every other of the account, even if the clock went back."""
    async with services.database.write() as db:
        now_ms = services.now_ms()
        at_ms = max(now_ms, await workflows.last_ms(db, caller.account) + 1)
        new = Workflow(str(uuid.uuid4()), name, command, at_ms)
        await workflows.add(db, caller.account, new)
        detail: dict[str, object] = {"name": name, "command": command}
        await audit.add(db, caller, "workflow.create", f"workflow:{new.id}", now_ms, detail)
    return new


async def remove(services: Services, caller: Caller, workflow: str) -> None:
    """The workflow is gone; jobs keep its command. Raises NotFound."""
    async with services.database.write() as db:
        found = await workflow_of(db, caller.account, workflow)
        await workflows.remove(db, found.id)
        subject = f"workflow:{found.id}"
        await audit.add(db, caller, "workflow.delete", subject, services.now_ms(), {"name": found.name})


async def workflow_of(db: Connection, account: str, workflow: str) -> Workflow:
    """The account's workflow of that id. Raises NotFound."""
    found = await workflows.find(db, account, workflow)
    if found is None:
        raise NotFound(f"there is no workflow {workflow[:80]!r}")
    return found
