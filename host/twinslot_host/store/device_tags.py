"""Tags: names that an account gives to its devices."""

from collections.abc import Iterable, Sequence

from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, number


async def of_device(db: Connection, device: int) -> list[str]:
    """The device's tags by name."""
    rows = await all_of(db, "SELECT tag FROM device_tags WHERE device_id = ? ORDER BY tag", (device,))
    return [row["tag"] for row in rows]


async def of_devices(db: Connection, devices: Sequence[int]) -> dict[int, list[str]]:
    """The tags by name of each of the devices that has any."""
    marks = ", ".join("?" * len(devices))
    rows = await all_of(
        db, f"SELECT device_id, tag FROM device_tags WHERE device_id IN ({marks}) ORDER BY tag", devices
    )
    return _by_device((row["device_id"], row["tag"]) for row in rows)


async def of_account(db: Connection, account: str) -> dict[int, list[str]]:
    """The tags by name of each of the account's devices that has any."""
    rows = await all_of(db, "SELECT device_id, tag FROM device_tags WHERE account_id = ? ORDER BY tag", (account,))
    return _by_device((row["device_id"], row["tag"]) for row in rows)


async def replace(db: Connection, account: str, device: int, tags: Sequence[str]) -> None:
    """The device has these tags, which differ from one another, and no other."""
    await db.execute("DELETE FROM device_tags WHERE device_id = ?", (device,))
    await db.executemany(
        "INSERT INTO device_tags (device_id, tag, account_id) VALUES (?, ?, ?)",
        [(device, tag, account) for tag in tags],
    )


async def page(db: Connection, account: str, offset: int, limit: int) -> list[tuple[str, int]]:
    """The account's tags by name, each with its number of devices."""
    rows = await all_of(
        db,
        "SELECT tag, COUNT(*) AS devices FROM device_tags WHERE account_id = ? GROUP BY tag ORDER BY tag"
        " LIMIT ? OFFSET ?",
        (account, limit, offset),
    )
    return [(row["tag"], row["devices"]) for row in rows]


async def count(db: Connection, account: str) -> int:
    """How many tags the account's devices have."""
    return await number(db, "SELECT COUNT(DISTINCT tag) FROM device_tags WHERE account_id = ?", (account,))


def _by_device(pairs: Iterable[tuple[int, str]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for device, tag in pairs:
        found.setdefault(device, []).append(tag)
    return found
