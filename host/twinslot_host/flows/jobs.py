"""Jobs: a command for a device, or for each of the devices that a group or tag has at that moment."""

import uuid
from dataclasses import dataclass

from twinslot_host.domain import jobs as domain
from twinslot_host.domain.caller import Caller
from twinslot_host.domain.jobs import Job
from twinslot_host.errors import NotFound
from twinslot_host.flows import enrol, fleet, queue
from twinslot_host.flows.workflows import workflow_of
from twinslot_host.services import Services
from twinslot_host.store import audit, device_lists, groups, jobs
from twinslot_host.store.database import Connection
from twinslot_host.store.device_lists import Wanted
from twinslot_host.store.devices import Device
from twinslot_host.store.groups import Group

_ALL = 1 << 31


@dataclass(frozen=True)
class Target:
    """Whom a job is for: a device by its id, a group by its id or its name, or a tag. One of them is given."""

    device: str | None = None
    group: str | None = None
    group_name: str | None = None
    tag: str | None = None


@dataclass(frozen=True)
class Order:
    """A job that is wanted, of a command, or of the command of a workflow. One of these is given."""

    name: str
    target: Target
    timeout_s: int
    command: str | None = None
    workflow: str | None = None


async def submit(services: Services, caller: Caller, order: Order) -> Job:
    """The job, durable: its command is at the end of each device's queue, or of none when it raises.

    Raises NotFound without such a workflow, device, group or tag; Conflict naming a device whose queue is full.
    """
    async with services.database.write() as db:
        now_ms = services.now_ms()
        kind, name, devices = await _members(db, caller.account, order.target)
        new = Job(
            id=str(uuid.uuid4()),
            name=order.name,
            workflow=order.workflow,
            command=await _command(db, caller.account, order),
            target=kind,
            target_name=name,
            timeout_s=order.timeout_s,
            created_at_ms=max(now_ms, await jobs.last_ms(db, caller.account) + 1),
        )
        await jobs.add(db, caller.account, new)
        request: dict[str, object] = {"command": new.command}
        await queue.submit_all(db, caller, devices, "command", request, new.timeout_s, now_ms, new.id)
        await audit.add(db, caller, "job.submit", f"job:{new.id}", now_ms, _told(new) | {"devices": len(devices)})
    for device in devices:
        services.held.wake(device.id)
    return new


async def remove(services: Services, caller: Caller, job: str) -> None:
    """The job is in no list any more; what of it is queued is cancelled, and who runs it is told to stop.

    Raises NotFound.
    """
    async with services.database.write() as db:
        found, now_ms = await job_of(db, caller.account, job), services.now_ms()
        await queue.cancel_job(db, found.id, now_ms)
        await jobs.hide(db, found.id, now_ms)
        await audit.add(db, caller, "job.delete", f"job:{found.id}", now_ms, _told(found))


async def job_of(db: Connection, account: str, job: str) -> Job:
    """The account's job of that id. Raises NotFound."""
    found = await jobs.find(db, account, job)
    if found is None:
        raise NotFound(f"there is no job {job[:80]!r}")
    return found


async def _command(db: Connection, account: str, order: Order) -> str:
    if order.command is not None:
        return order.command
    assert order.workflow is not None
    return (await workflow_of(db, account, order.workflow)).command


async def _members(db: Connection, account: str, target: Target) -> tuple[domain.Target, str, list[Device]]:
    """What kind of target it is, its name, and its devices, by id."""
    if target.device is not None:
        return "device", target.device, [await fleet.device_of(db, account, target.device)]
    if target.tag is not None:
        tagged = await device_lists.page(db, account, Wanted(tag=target.tag), 0, _ALL)
        if not tagged:
            raise NotFound(f"no device has the tag {target.tag[:80]!r}")
        return "tag", target.tag, tagged
    group = await _group(db, account, target)
    return "group", group.name, await device_lists.page(db, account, Wanted(group=group.id), 0, _ALL)


async def _group(db: Connection, account: str, target: Target) -> Group:
    if target.group is not None:
        return await enrol.group_of(db, account, target.group)
    assert target.group_name is not None
    found = await groups.named(db, account, target.group_name)
    if found is None:
        raise NotFound(f"there is no group {target.group_name[:80]!r}")
    return found


def _told(job: Job) -> dict[str, object]:
    return {"name": job.name, "command": job.command, job.target: job.target_name}
