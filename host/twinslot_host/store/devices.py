"""Devices: what each last told of itself, and the last request of it that was accepted."""

from dataclasses import dataclass
from sqlite3 import Row

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, number, one

_SELECT = "SELECT d.*, g.name AS group_name FROM devices d JOIN groups g ON g.id = d.group_id"


@dataclass(frozen=True)
class Device:
    """One row, with its group's name. What a check-in tells is None before the first one."""

    id: int
    account: str
    device: str
    group: str
    group_name: str
    app: str | None
    version: str | None
    confirmed_version: str | None
    sequence: int
    state: str | None
    image: str | None
    chip: int | None
    slot_size: int | None
    free_heap: int | None
    reset_cause: int | None
    nonce_issued_us: int
    nonce_seq: int
    last_seen_at_ms: int | None
    created_at_ms: int


@dataclass(frozen=True)
class CheckIn:
    """What a check-in tells."""

    app: str
    version: str
    confirmed_version: str
    sequence: int
    state: str
    image: str | None
    chip: int
    slot_size: int
    free_heap: int
    reset_cause: int


@dataclass(frozen=True)
class Slot:
    """What a device told of the chip it is, and of the slot that does not run; 0 bytes: of none that counts."""

    chip: int
    device: str
    size_bytes: int


async def find(db: Connection, account: str, device: str) -> Device | None:
    """The account's device of that id, or None."""
    row = await one(db, f"{_SELECT} WHERE d.account_id = ? AND d.device = ?", (account, device))
    return None if row is None else _device(row)


async def ensure(db: Connection, account: str, device: str, group: str, now_ms: int) -> Device:
    """The account's device of that id, which now exists; `group` counts only when it is new."""
    await db.execute(
        "INSERT INTO devices (account_id, device, group_id, created_at_ms) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (account_id, device) DO NOTHING",
        (account, device, group, now_ms),
    )
    found = await find(db, account, device)
    assert found is not None
    return found


async def spend(db: Connection, device: int, nonce_issued_us: int, seq: int, now_ms: int) -> bool:
    """Whether the request is newer than all before it; if so, it now counts as used, and the device as seen."""
    cursor = await db.execute(
        "UPDATE devices SET nonce_issued_us = ?1, nonce_seq = ?2, last_seen_at_ms = ?3"
        " WHERE id = ?4 AND (nonce_issued_us < ?1 OR nonce_issued_us = ?1 AND nonce_seq < ?2)",
        (nonce_issued_us, seq, now_ms, device),
    )
    return cursor.rowcount == 1


async def check_in(db: Connection, device: int, told: CheckIn) -> None:
    """The device's row says what it told."""
    await db.execute(
        "UPDATE devices SET app = ?, version = ?, confirmed_version = ?, sequence = ?, state = ?, image = ?,"
        " chip = ?, slot_size = ?, free_heap = ?, reset_cause = ? WHERE id = ?",
        (
            told.app,
            told.version,
            told.confirmed_version,
            told.sequence,
            told.state,
            told.image,
            told.chip,
            told.slot_size,
            told.free_heap,
            told.reset_cause,
            device,
        ),
    )


async def confirm(db: Connection, device: int, version: str, sequence: int) -> None:
    """The device's row says that it confirmed the release, unless it has confirmed a later one."""
    await db.execute(
        "UPDATE devices SET version = ?1, confirmed_version = ?1, sequence = ?2, state = 'idle'"
        " WHERE id = ?3 AND sequence <= ?2",
        (version, sequence, device),
    )


async def page(db: Connection, account: str, offset: int, limit: int) -> list[Device]:
    """The account's devices by id."""
    rows = await all_of(
        db, f"{_SELECT} WHERE d.account_id = ? ORDER BY d.device LIMIT ? OFFSET ?", (account, limit, offset)
    )
    return [_device(row) for row in rows]


async def count(db: Connection, account: str) -> int:
    """How many devices the account has."""
    return await number(db, "SELECT COUNT(*) FROM devices WHERE account_id = ?", (account,))


async def count_seen(db: Connection) -> int:
    """How many devices have ever proven themselves, of all accounts."""
    return await number(db, "SELECT COUNT(*) FROM devices WHERE last_seen_at_ms IS NOT NULL")


async def smallest_slots(db: Connection, application: int, least_bytes: int) -> list[Slot]:
    """For each chip among the devices of the application's groups: the device with the smallest slot.

    Slots below `least_bytes` count only where the chip has no other; their size is 0 then.
    """
    rows = await all_of(
        db,
        "SELECT chip, device, size FROM (SELECT d.chip, d.device,"
        " CASE WHEN d.slot_size >= ?1 THEN d.slot_size ELSE 0 END AS size, ROW_NUMBER() OVER"
        " (PARTITION BY d.chip ORDER BY d.slot_size < ?1, d.slot_size, d.id) AS place"
        " FROM devices d JOIN groups g ON g.id = d.group_id"
        " WHERE g.application_id = ?2 AND d.chip IS NOT NULL) AS ranked WHERE place = 1 ORDER BY chip",
        (least_bytes, application),
    )
    return [Slot(row["chip"], row["device"], row["size"]) for row in rows]


def _device(row: Row) -> Device:
    return Device(
        id=row["id"],
        account=row["account_id"],
        device=row["device"],
        group=row["group_id"],
        group_name=row["group_name"],
        app=row["app"],
        version=row["version"],
        confirmed_version=row["confirmed_version"],
        sequence=row["sequence"],
        state=row["state"],
        image=row["image"],
        chip=row["chip"],
        slot_size=row["slot_size"],
        free_heap=row["free_heap"],
        reset_cause=row["reset_cause"],
        nonce_issued_us=row["nonce_issued_us"],
        nonce_seq=row["nonce_seq"],
        last_seen_at_ms=row["last_seen_at_ms"],
        created_at_ms=row["created_at_ms"],
    )
