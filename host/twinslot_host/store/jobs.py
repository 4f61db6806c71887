"""Jobs (SocketXP): commands that were submitted. Their children are operations."""

from collections.abc import Sequence
from sqlite3 import Row

from twinslot_host.domain.jobs import Job, Tally
from twinslot_host.domain.queue import OVER
from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, number, one

_THERE = "account_id = ? AND deleted_at_ms IS NULL"


async def add(db: Connection, account: str, new: Job) -> None:
    """The job exists. The caller has seen that it is later than the account's others."""
    await db.execute(
        "INSERT INTO jobs (id, account_id, name, workflow_id, command, target, target_name, timeout_s, created_at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            new.id,
            account,
            new.name,
            new.workflow or "",
            new.command,
            new.target,
            new.target_name,
            new.timeout_s,
            new.created_at_ms,
        ),
    )


async def hide(db: Connection, job: str, now_ms: int) -> None:
    """The job is there no more, for any of the functions below."""
    await db.execute("UPDATE jobs SET deleted_at_ms = ? WHERE id = ?", (now_ms, job))


async def find(db: Connection, account: str, job: str) -> Job | None:
    """The account's job of that id, or None."""
    row = await one(db, f"SELECT * FROM jobs WHERE {_THERE} AND id = ?", (account, job))
    return None if row is None else _job(row)


async def page(db: Connection, account: str, offset: int, limit: int) -> list[Job]:
    """The account's jobs, the last one submitted first."""
    rows = await all_of(
        db,
        f"SELECT * FROM jobs WHERE {_THERE} ORDER BY created_at_ms DESC LIMIT ? OFFSET ?",
        (account, limit, offset),
    )
    return [_job(row) for row in rows]


async def after(db: Connection, account: str, at_ms: int, limit: int) -> list[Job]:
    """The first of the account's jobs that were submitted after that."""
    rows = await all_of(
        db,
        f"SELECT * FROM jobs WHERE {_THERE} AND created_at_ms > ? ORDER BY created_at_ms LIMIT ?",
        (account, at_ms, limit),
    )
    return [_job(row) for row in rows]


async def count(db: Connection, account: str) -> int:
    """How many jobs the account has."""
    return await number(db, f"SELECT COUNT(*) FROM jobs WHERE {_THERE}", (account,))


async def last_ms(db: Connection, account: str) -> int:
    """When the account's last job was submitted, whether it is still there or not, or 0."""
    return await number(db, "SELECT MAX(created_at_ms) FROM jobs WHERE account_id = ?", (account,))


async def tallies(db: Connection, some: Sequence[Job]) -> dict[str, Tally]:
    """What became of each of the jobs so far; one without children was over as it was submitted."""
    marks = ", ".join("?" * len(some))
    rows = await all_of(
        db,
        "SELECT job_id, state, COUNT(*) AS children, MIN(started_at_ms) AS started, MAX(ended_at_ms) AS ended"
        f" FROM operations WHERE job_id IN ({marks}) GROUP BY job_id, state",
        [each.id for each in some],
    )
    found: dict[str, list[Row]] = {each.id: [] for each in some}
    for row in rows:
        found[row["job_id"]].append(row)
    return {each.id: _tally(each, found[each.id]) for each in some}


def _tally(job: Job, rows: Sequence[Row]) -> Tally:
    if not rows:
        return Tally({}, job.created_at_ms, job.created_at_ms)
    counts = {row["state"]: row["children"] for row in rows}
    started = [row["started"] for row in rows if row["started"] is not None]
    ended = max(row["ended"] for row in rows) if all(state in OVER for state in counts) else None
    return Tally(counts, min(started, default=None), ended)


def _job(row: Row) -> Job:
    return Job(
        id=row["id"],
        name=row["name"],
        workflow=row["workflow_id"] or None,
        command=row["command"],
        target=row["target"],
        target_name=row["target_name"],
        timeout_s=row["timeout_s"],
        created_at_ms=row["created_at_ms"],
    )
