"""Events: what happened on each device, from its reports and from what changed between its check-ins."""

from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Row

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import Value, all_of, number, where

_SELECT = "SELECT device_id, event, version, sequence, reason, at_ms FROM events"
_FROM = "FROM events e JOIN devices d ON d.id = e.device_id"


@dataclass(frozen=True)
class Event:
    """One row."""

    device: int
    event: str
    version: str
    sequence: int
    reason: str
    at_ms: int


@dataclass(frozen=True)
class Wanted:
    """Which events a list holds: those of a device or of a group's devices, of one kind. None: whatever it is."""

    device: str | None = None
    group: str | None = None
    event: str | None = None


@dataclass(frozen=True)
class Listed:
    """An event with the id of its device, and the group that this belongs to now."""

    event: Event
    device: str
    group: str


async def add(db: Connection, account: str, happened: Event, report: str | None) -> bool:
    """Whether the event is new: a device's report of the same id is kept once. None: the server saw it itself."""
    cursor = await db.execute(
        "INSERT INTO events (account_id, device_id, report, event, version, sequence, reason, at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (device_id, report) DO NOTHING",
        (
            account,
            happened.device,
            report,
            happened.event,
            happened.version,
            happened.sequence,
            happened.reason,
            happened.at_ms,
        ),
    )
    return cursor.rowcount == 1


async def latest(db: Connection, device: int, limit: int) -> list[Event]:
    """The device's last events, the newest first."""
    rows = await all_of(db, f"{_SELECT} WHERE device_id = ? ORDER BY id DESC LIMIT ?", (device, limit))
    return [_event(row) for row in rows]


async def page(db: Connection, account: str, wanted: Wanted, offset: int, limit: int) -> list[Listed]:
    """The account's events that are wanted, the newest first."""
    condition, values = _where(account, wanted)
    rows = await all_of(
        db,
        f"SELECT e.*, d.device, d.group_id {_FROM} WHERE {condition} ORDER BY e.id DESC LIMIT ? OFFSET ?",
        (*values, limit, offset),
    )
    return [Listed(_event(row), row["device"], row["group_id"]) for row in rows]


async def count(db: Connection, account: str, wanted: Wanted) -> int:
    """How many of the account's events are wanted."""
    condition, values = _where(account, wanted)
    return await number(db, f"SELECT COUNT(*) {_FROM} WHERE {condition}", values)


async def last_reports(db: Connection, devices: Sequence[int]) -> dict[int, Event]:
    """For each of the devices that has reported: its last report."""
    marks = ", ".join("?" * len(devices))
    rows = await all_of(
        db,
        f"{_SELECT} WHERE id IN (SELECT MAX(id) FROM events WHERE report IS NOT NULL AND device_id IN ({marks})"
        " GROUP BY device_id)",
        devices,
    )
    return {row["device_id"]: _event(row) for row in rows}


def _where(account: str, wanted: Wanted) -> tuple[str, list[Value]]:
    return where(
        {"e.account_id": account, "d.device": wanted.device, "d.group_id": wanted.group, "e.event": wanted.event}
    )


def _event(row: Row) -> Event:
    return Event(row["device_id"], row["event"], row["version"], row["sequence"], row["reason"], row["at_ms"])
