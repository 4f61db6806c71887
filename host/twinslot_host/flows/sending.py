"""What a device gets of its queue, and what becomes of it by what the device tells."""

from dataclasses import replace

from twinslot_host.domain import queue as rules
from twinslot_host.domain import uris
from twinslot_host.domain.queue import Operation, Outcome, Report
from twinslot_host.flows import packages, queue
from twinslot_host.flows.entry import Visitor, admit
from twinslot_host.services import Services
from twinslot_host.store import operations
from twinslot_host.store.database import Connection
from twinslot_host.store.devices import Device


async def next_of(db: Connection, services: Services, device: Device, now_ms: int) -> Operation | None:
    """The operation that the device is to do now, as it is sent to it; None: its queue is empty.

    The device says by its check-in that it has none, so that what is out was lost.
    """
    while (first := await operations.head(db, device.id)) is not None:
        outcome = rules.after_time(first, now_ms) or (rules.after_loss(first) if first.is_out else None)
        request = await _request(db, services, first)
        if outcome is None and request is not None:
            return replace(await operations.send(db, first.place, now_ms), request=request)
        gone = Outcome("failed", f"the package {first.request.get('name')} is not on the server any more")
        await queue.end(db, first, outcome or gone, now_ms)
    return None


async def report(services: Services, visitor: Visitor, told: Report) -> bool:
    """What the device tells of an operation is kept; whether it is to stop."""
    now_us = services.clock_us()
    async with services.database.write() as db:
        device = await admit(db, visitor, now_us)
        found = await operations.find(db, device.account, told.id)
        if found is not None and found.device_id != device.id:
            found = None
        counts = found is not None and rules.counts(found, told)
        if found is not None and counts:
            await _keep(db, found, told, now_us // 1000)
    if told.state in rules.OVER:
        services.held.returns(device.id)
    if counts:
        services.metrics.operation_reports.labels(told.state).inc()
    return rules.is_to_stop(found, told)


async def _request(db: Connection, services: Services, operation: Operation) -> dict[str, object] | None:
    """What the device is told to do: a package of this server's is where it can fetch it; None: that is gone."""
    uri, version = operation.request.get("uri"), operation.request.get("version")
    name = uris.uploaded_name(uri) if isinstance(uri, str) else None
    if name is None:
        return operation.request
    path = await packages.link(db, services, operation.account, name, str(version))
    return None if path is None else operation.request | {"uri": path}


async def _keep(db: Connection, operation: Operation, told: Report, now_ms: int) -> None:
    if told.part >= operation.parts:
        output, output_cut = rules.appended(operation.output, told.output)
        errors, errors_cut = rules.appended(operation.errors, told.errors)
        cut = operation.cut or told.cut or output_cut or errors_cut
        await operations.keep_part(db, operation.place, told.part + 1, told.progress, output, errors, cut)
    if told.state in rules.OVER:
        await queue.end(db, operation, Outcome(told.state, told.reason), now_ms, told.exit_code)
