"""Events: what happened on each device, from its reports and from what changed between its check-ins."""

from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Row

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of

_SELECT = "SELECT device_id, event, version, sequence, reason, at_ms FROM events"


@dataclass(frozen=True)
class Event:
    """One row."""

    device: int
    event: str
    version: str
    sequence: int
    reason: str
    at_ms: int


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


def _event(row: Row) -> Event:
    return Event(row["device_id"], row["event"], row["version"], row["sequence"], row["reason"], row["at_ms"])
