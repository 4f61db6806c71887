"""Operations: what each device is to do once, in order, and what came of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Row

from twinslot_host.domain.queue import GRACE_S, QUEUE_LIMIT, Operation, Outcome
from twinslot_host.store.database import Connection
from twinslot_host.store.rows import Value, all_of, number, one, where

_SELECT = "SELECT * FROM operations"


@dataclass(frozen=True)
class New:
    """An operation that is to be queued, for the device whose row is `device_id`."""

    id: str
    device_id: int
    device: str


@dataclass(frozen=True)
class Wanted:
    """Which of a device's operations a list holds; None: whatever it is."""

    state: str | None = None
    over: bool | None = None


async def add(
    db: Connection,
    account: str,
    new: Sequence[New],
    kind: str,
    request: Mapping[str, object],
    timeout_s: int,
    now_ms: int,
    job: str | None,
) -> None:
    """Each of them is at the end of its device's queue, in this order."""
    told = json.dumps(dict(request))
    await db.executemany(
        "INSERT INTO operations (id, account_id, device_id, device, job_id, kind, request, timeout_s, state,"
        " created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?)",
        [(each.id, account, each.device_id, each.device, job, kind, told, timeout_s, now_ms) for each in new],
    )


async def last_place(db: Connection) -> int:
    """The highest place so far, of all queues."""
    return await number(db, "SELECT MAX(place) FROM operations")


async def overfull(db: Connection, after: int) -> str | None:
    """The id of a device whose queue is over the limit with what was put at places behind `after`, or None."""
    row = await one(
        db,
        "SELECT n.device FROM operations n WHERE n.place > ? AND"
        " (SELECT COUNT(*) FROM operations q WHERE q.device_id = n.device_id AND q.is_over = 0) > ? LIMIT 1",
        (after, QUEUE_LIMIT),
    )
    return None if row is None else str(row["device"])


async def find(db: Connection, account: str, id: str) -> Operation | None:
    """The account's operation of that id, or None."""
    row = await one(db, f"{_SELECT} WHERE id = ? AND account_id = ?", (id, account))
    return None if row is None else _operation(row)


async def head(db: Connection, device: int) -> Operation | None:
    """The first of the device's operations that is not over, or None."""
    row = await one(db, f"{_SELECT} WHERE device_id = ? AND is_over = 0 ORDER BY place LIMIT 1", (device,))
    return None if row is None else _operation(row)


async def pending(db: Connection, device: int) -> list[Operation]:
    """The device's operations that are not over."""
    rows = await all_of(db, f"{_SELECT} WHERE device_id = ? AND is_over = 0 ORDER BY place", (device,))
    return [_operation(row) for row in rows]


async def overdue(db: Connection, now_ms: int, limit: int) -> list[Operation]:
    """Some of the operations that are out, and whose time is over, the longest out first."""
    rows = await all_of(
        db,
        f"{_SELECT} WHERE is_over = 0 AND started_at_ms < ?1 AND started_at_ms + (timeout_s + ?2) * 1000 < ?1"
        " ORDER BY started_at_ms LIMIT ?3",
        (now_ms, GRACE_S, limit),
    )
    return [_operation(row) for row in rows]


async def of_job(db: Connection, job: str, limit: int, offset: int = 0) -> list[Operation]:
    """A part of the job's operations, in order of place."""
    rows = await all_of(db, f"{_SELECT} WHERE job_id = ? ORDER BY place LIMIT ? OFFSET ?", (job, limit, offset))
    return [_operation(row) for row in rows]


async def page(db: Connection, device: int, wanted: Wanted, offset: int, limit: int) -> list[Operation]:
    """The device's operations that are wanted, in order of place."""
    condition, values = _where(device, wanted)
    rows = await all_of(db, f"{_SELECT} WHERE {condition} ORDER BY place LIMIT ? OFFSET ?", (*values, limit, offset))
    return [_operation(row) for row in rows]


async def count(db: Connection, device: int, wanted: Wanted) -> int:
    """How many of the device's operations are wanted."""
    condition, values = _where(device, wanted)
    return await number(db, f"SELECT COUNT(*) FROM operations WHERE {condition}", values)


async def count_out(db: Connection) -> dict[str, int]:
    """How many operations are in each state that is not over, of all accounts."""
    rows = await all_of(db, "SELECT state, COUNT(*) AS n FROM operations WHERE is_over = 0 GROUP BY state")
    return {row["state"]: row["n"] for row in rows}


async def send(db: Connection, place: int, now_ms: int) -> Operation:
    """The operation is out once more, and nothing is known of this attempt yet."""
    row = await one(
        db,
        "UPDATE operations SET state = 'sent', attempt = attempt + 1, started_at_ms = ?, parts = 0, progress = NULL,"
        " exit_code = NULL, output = '', errors = '', cut = 0 WHERE place = ? RETURNING *",
        (now_ms, place),
    )
    assert row is not None
    return _operation(row)


async def keep_part(
    db: Connection, place: int, parts: int, progress: int | None, output: str, errors: str, cut: bool
) -> None:
    """The operation runs, and this is what its device has told of it so far; progress None: as before."""
    await db.execute(
        "UPDATE operations SET state = 'running', parts = ?, progress = COALESCE(?, progress), output = ?, errors = ?,"
        " cut = ? WHERE place = ?",
        (parts, progress, output, errors, int(cut), place),
    )


async def end(
    db: Connection,
    place: int,
    outcome: Outcome,
    request: Mapping[str, object],
    now_ms: int,
    exit_code: int | None = None,
) -> None:
    """The operation is over; `request` is what is kept of what was asked for."""
    await db.execute(
        "UPDATE operations SET state = ?, is_over = 1, stop = 0, reason = ?, request = ?, exit_code = ?,"
        " ended_at_ms = ? WHERE place = ?",
        (outcome.state, outcome.reason, json.dumps(dict(request)), exit_code, now_ms, place),
    )


async def stop(db: Connection, place: int) -> None:
    """The device is told to stop it as soon as it tells of it."""
    await db.execute("UPDATE operations SET stop = 1 WHERE place = ?", (place,))


async def cancel_queued_of_job(db: Connection, job: str, now_ms: int) -> None:
    """The job's operations that were queued are cancelled."""
    await db.execute(
        "UPDATE operations SET state = 'cancelled', is_over = 1, ended_at_ms = ? WHERE job_id = ? AND state = 'queued'",
        (now_ms, job),
    )


async def stop_of_job(db: Connection, job: str) -> None:
    """As `stop`, for each of the job's operations that is not over."""
    await db.execute("UPDATE operations SET stop = 1 WHERE job_id = ? AND is_over = 0", (job,))


async def forget_device(db: Connection, device: int) -> None:
    """No operation is of that row any more; each keeps the id that the device had."""
    await db.execute("UPDATE operations SET device_id = NULL WHERE device_id = ?", (device,))


async def forget(db: Connection, ended_before_ms: int, limit: int) -> int:
    """Some of the operations that ended before that are gone, unless they are of a job that is there; how many."""
    # From the jobs that were deleted, since what jobs keep may be nearly all that is old.
    cursor = await db.execute(
        "DELETE FROM operations WHERE place IN ("
        "SELECT place FROM operations WHERE job_id IS NULL AND ended_at_ms < ? UNION ALL"
        " SELECT place FROM operations WHERE job_id IN (SELECT id FROM jobs WHERE deleted_at_ms IS NOT NULL)"
        " AND ended_at_ms < ? LIMIT ?)",
        (ended_before_ms, ended_before_ms, limit),
    )
    return cursor.rowcount


def _where(device: int, wanted: Wanted) -> tuple[str, list[Value]]:
    over = None if wanted.over is None else int(wanted.over)
    return where({"device_id": device, "is_over": over, "state": wanted.state})


def _operation(row: Row) -> Operation:
    return Operation(
        place=row["place"],
        id=row["id"],
        account=row["account_id"],
        device_id=row["device_id"],
        device=row["device"],
        job=row["job_id"],
        kind=row["kind"],
        request=json.loads(row["request"]),
        timeout_s=row["timeout_s"],
        state=row["state"],
        stop=bool(row["stop"]),
        attempt=row["attempt"],
        parts=row["parts"],
        progress=row["progress"],
        exit_code=row["exit_code"],
        reason=row["reason"],
        output=row["output"],
        errors=row["errors"],
        cut=bool(row["cut"]),
        created_at_ms=row["created_at_ms"],
        started_at_ms=row["started_at_ms"],
        ended_at_ms=row["ended_at_ms"],
    )
