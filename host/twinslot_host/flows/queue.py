"""Devices' queues, as whoever manages devices fills and empties them; `sending` is what devices get of them."""

import uuid
from collections.abc import Mapping, Sequence

from twinslot_host.config import OPERATION_KEPT_S
from twinslot_host.domain import uris
from twinslot_host.domain.caller import Caller
from twinslot_host.domain.queue import QUEUE_LIMIT, Operation, Outcome, after_time
from twinslot_host.errors import Conflict, NotFound
from twinslot_host.services import Services
from twinslot_host.store import audit, operations
from twinslot_host.store.database import Connection
from twinslot_host.store.devices import Device

_AT_ONCE = 100  # operations that are ended, or forgotten, in one transaction, so that nobody waits long for it


async def submit(
    db: Connection,
    caller: Caller,
    device: Device,
    kind: str,
    request: Mapping[str, object],
    timeout_s: int,
    now_ms: int,
    job: str | None = None,
) -> Operation:
    """The operation is at the end of the device's queue. Raises Conflict when that is full.

    The caller wakes the device after its commit, as `Held.wake` says, and writes the audit.
    """
    (made,) = await submit_all(db, caller, [device], kind, request, timeout_s, now_ms, job)
    found = await operations.find(db, caller.account, made)
    assert found is not None
    return found


async def submit_all(
    db: Connection,
    caller: Caller,
    devices: Sequence[Device],
    kind: str,
    request: Mapping[str, object],
    timeout_s: int,
    now_ms: int,
    job: str | None = None,
) -> list[str]:
    """As `submit`, for each of the devices, in their order: the operations' ids. Raises Conflict naming the first
    device whose queue is full; the caller's transaction can't be committed then."""
    before = await operations.last_place(db)
    new = [operations.New(str(uuid.uuid4()), each.id, each.device) for each in devices]
    await operations.add(db, caller.account, new, kind, request, timeout_s, now_ms, job)
    full = await operations.overfull(db, before)
    if full is not None:
        raise Conflict(f"the queue of {full!r} is full: {QUEUE_LIMIT} operations are not over; cancel some, or wait")
    return [each.id for each in new]


async def operation_of(db: Connection, account: str, operation: str) -> Operation:
    """The account's operation of that id. Raises NotFound."""
    found = await operations.find(db, account, operation)
    if found is None:
        raise NotFound(f"there is no operation {operation[:80]!r}")
    return found


async def cancel(db: Connection, operation: Operation, now_ms: int) -> None:
    """What was queued is cancelled; what is out is to stop, and is cancelled when the device says so, has lost it, or
    has run out of time. What is over stays as it is."""
    if operation.is_out:
        await operations.stop(db, operation.place)
    elif not operation.is_over:
        await end(db, operation, Outcome("cancelled"), now_ms)


async def cancel_job(db: Connection, job: str, now_ms: int) -> None:
    """As `cancel`, for each of the job's operations, however many there are."""
    await operations.cancel_queued_of_job(db, job, now_ms)
    await operations.stop_of_job(db, job)


async def cancel_one(services: Services, caller: Caller, operation: str) -> Operation:
    """As `cancel`, durably: the operation as it is then. Raises NotFound."""
    now_ms = services.now_ms()
    async with services.database.write() as db:
        found = await operation_of(db, caller.account, operation)
        if not found.is_over:
            await cancel(db, found, now_ms)
            await audit.add(db, caller, "operation.cancel", f"operation:{found.id}", now_ms, {"device": found.device})
        return await operation_of(db, caller.account, operation)


async def end(
    db: Connection, operation: Operation, outcome: Outcome, now_ms: int, exit_code: int | None = None
) -> None:
    """The operation is over, and no credential is left of it."""
    kept = uris.without_credentials(operation.request)
    await operations.end(db, operation.place, outcome, kept, now_ms, exit_code)


async def let_go(db: Connection, device: Device, now_ms: int) -> None:
    """The device, which is about to be deleted, has no operation any more; what was not over is cancelled."""
    for each in await operations.pending(db, device.id):
        await end(db, each, Outcome("cancelled", "the device was deleted"), now_ms)
    await operations.forget_device(db, device.id)


async def end_overdue(services: Services) -> None:
    """Every operation that has been out for too long is over."""
    while await _end_some_overdue(services):
        pass


async def forget_old(services: Services) -> None:
    """No operation is kept that ended longer ago than they are kept, but those of jobs that are there."""
    while await _forget_some_old(services) == _AT_ONCE:
        pass


async def _forget_some_old(services: Services) -> int:
    async with services.database.write() as db:
        return await operations.forget(db, services.now_ms() - OPERATION_KEPT_S * 1000, _AT_ONCE)


async def _end_some_overdue(services: Services) -> bool:
    """Whether there may be more."""
    now_ms = services.now_ms()
    if not await operations.overdue(services.database.reader, now_ms, 1):
        return False
    async with services.database.write() as db:
        found = await operations.overdue(db, now_ms, _AT_ONCE)
        for each in found:
            outcome = after_time(each, now_ms)
            assert outcome is not None
            await end(db, each, outcome, now_ms)
    return len(found) == _AT_ONCE
