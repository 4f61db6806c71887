"""Failures: the sequences that a device rolled back or refused, which it is not offered again."""

from collections.abc import Sequence

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of


async def add(db: Connection, account: str, device: int, sequence: int, now_ms: int) -> None:
    """The sequence counts as failed on the device; saying so twice changes nothing."""
    await db.execute(
        "INSERT INTO failures (account_id, device_id, sequence, at_ms) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (device_id, sequence) DO NOTHING",
        (account, device, sequence, now_ms),
    )


async def of_device(db: Connection, device: int) -> frozenset[int]:
    """The sequences that failed on the device."""
    rows = await all_of(db, "SELECT sequence FROM failures WHERE device_id = ?", (device,))
    return frozenset(row["sequence"] for row in rows)


async def of_devices(db: Connection, devices: Sequence[int]) -> dict[int, frozenset[int]]:
    """As `of_device`, for each of the devices that has any."""
    marks = ", ".join("?" * len(devices))
    rows = await all_of(db, f"SELECT device_id, sequence FROM failures WHERE device_id IN ({marks})", devices)
    found: dict[int, set[int]] = {}
    for row in rows:
        found.setdefault(row["device_id"], set()).add(row["sequence"])
    return {device: frozenset(sequences) for device, sequences in found.items()}
