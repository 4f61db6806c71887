"""Devices: what each last told of itself, and the last request of it that was accepted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Row

from twinslot_host.domain.filters import Attribute
from twinslot_host.store.database import Connection
from twinslot_host.store.rows import all_of, number, one

SELECT = "SELECT d.*, g.name AS group_name FROM devices d JOIN groups g ON g.id = d.group_id"


@dataclass(frozen=True)
class Device:
    """One row, with its group's name. What a check-in tells is None before the first one.

    `enrolled_group` is the group with whose token it proves itself, `group` where its owner has moved it since;
    `offered_sequence` is that of the release which it was last offered and may be installing, 0: of none;
    `security_version` is that of the image which it has confirmed, as far as the server knows; `inventory` holds the
    packages that it last told of, in the fields of docs/protocol.md, None before it has told any; `trusted` are the
    fingerprints of the keys that it trusts, None when it does not tell them; `confirmed_image` is the image that it was
    offered here and then confirmed, None: none; `mpy`, `micropython` and `bundle` are in docs/protocol.md, "POST
    /device/v1/check".
    """

    id: int
    account: str
    device: str
    group: str
    group_name: str
    enrolled_group: str
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
    offered_sequence: int
    security_version: int
    nonce_issued_us: int
    nonce_seq: int
    last_seen_at_ms: int | None
    created_at_ms: int
    attributes: dict[str, Attribute]
    inventory: list[dict[str, object]] | None
    inventory_digest: str | None
    inventory_at_ms: int | None
    trusted: list[str] | None
    confirmed_image: str | None
    mpy: int | None
    micropython: str | None
    bundle: str | None


@dataclass(frozen=True)
class CheckIn:
    """What a check-in tells; `inventory` is the digest of the device's, None for one that knows no packages; `trusted`
    are fingerprints, None from one that does not tell which keys it trusts."""

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
    inventory: str | None
    trusted: list[str] | None
    mpy: int | None
    micropython: str | None
    bundle: str | None


@dataclass(frozen=True)
class Slot:
    """What a device told of the chip it is, and of the slot that does not run; 0 bytes: of none that counts."""

    chip: int
    device: str
    size_bytes: int


async def find(db: Connection, account: str, device: str) -> Device | None:
    """The account's device of that id, or None."""
    row = await one(db, f"{SELECT} WHERE d.account_id = ? AND d.device = ?", (account, device))
    return None if row is None else of_row(row)


async def ensure(db: Connection, account: str, device: str, group: str, now_ms: int) -> Device:
    """The account's device of that id, which now exists; `group` counts only when it is new.

    Of a device that was deleted before, no request counts whose nonce was issued by then: it may be a replay.
    """
    found = await find(db, account, device)
    if found is None:
        await db.execute(
            "INSERT INTO devices (account_id, device, group_id, enrolled_group_id, created_at_ms, nonce_issued_us)"
            " VALUES (?1, ?2, ?3, ?3, ?4, ?5)",
            (account, device, group, now_ms, await void_nonce_us(db, account, device) + 1),
        )
        found = await find(db, account, device)
        assert found is not None
    return found


async def void_nonce_us(db: Connection, account: str, device: str) -> int:
    """When the last nonce was issued that is void, since the account's device of that id was deleted; or 0."""
    sql = "SELECT nonce_issued_us FROM deleted_devices WHERE account_id = ? AND device = ?"
    return await number(db, sql, (account, device))


async def spend(
    db: Connection, device: int, nonce_issued_us: int, seq: int, group: str, token: int, seen_at_ms: int | None
) -> bool:
    """Whether the request is newer than all before it; if so, it now counts as used, and the device as seen then, or as
    last seen when it was before.

    It proves itself from now on with that token of that group.
    """
    cursor = await db.execute(
        "UPDATE devices SET nonce_issued_us = ?1, nonce_seq = ?2, last_seen_at_ms = COALESCE(?3, last_seen_at_ms),"
        " enrolled_group_id = ?5, token_id = ?6 WHERE id = ?4"
        " AND (nonce_issued_us < ?1 OR nonce_issued_us = ?1 AND nonce_seq < ?2)",
        (nonce_issued_us, seq, seen_at_ms, device, group, token),
    )
    return cursor.rowcount == 1


async def offered(db: Connection, device: int, sequence: int) -> None:
    """The device was offered the release of that sequence, and may be installing it; 0: none."""
    await db.execute("UPDATE devices SET offered_sequence = ? WHERE id = ?", (sequence, device))


async def installing(db: Connection, release: int) -> str | None:
    """The id of a device that was offered the release and has not told the outcome, or None."""
    row = await one(
        db,
        "SELECT d.device FROM signatures s JOIN groups g ON g.application_id = s.application_id"
        " JOIN devices d ON d.group_id = g.id AND d.offered_sequence = s.sequence WHERE s.release_id = ? LIMIT 1",
        (release,),
    )
    return None if row is None else str(row["device"])


async def running(db: Connection, application: int, version: str) -> str | None:
    """The id of a device of the application's groups that tells the version, or has confirmed it, or None."""
    row = await one(
        db,
        "SELECT d.device FROM devices d JOIN groups g ON g.id = d.group_id"
        " WHERE g.application_id = ?1 AND (d.version = ?2 OR d.confirmed_version = ?2) LIMIT 1",
        (application, version),
    )
    return None if row is None else str(row["device"])


async def check_in(db: Connection, device: int, told: CheckIn, security_version: int) -> None:
    """The device's row says what it told, and the security version of the image that it has confirmed by that."""
    await db.execute(
        "UPDATE devices SET app = ?, version = ?, confirmed_version = ?, sequence = ?, state = ?, image = ?,"
        " chip = ?, slot_size = ?, free_heap = ?, reset_cause = ?, security_version = ?, trusted = ?, mpy = ?,"
        " micropython = ?, bundle = ? WHERE id = ?",
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
            security_version,
            None if told.trusted is None else json.dumps(told.trusted),
            told.mpy,
            told.micropython,
            told.bundle,
            device,
        ),
    )


async def confirm(db: Connection, device: int, version: str, sequence: int, security_version: int) -> None:
    """The device's row says that it confirmed the release, and that image's security version, unless it has confirmed
    a later one."""
    await db.execute(
        "UPDATE devices SET version = ?1, confirmed_version = ?1, sequence = ?2, state = 'idle',"
        " security_version = ?4 WHERE id = ?3 AND sequence <= ?2",
        (version, sequence, device, security_version),
    )


async def confirm_image(db: Connection, device: int, sha256: str) -> None:
    """The device has confirmed the image of that hex digest, which it was offered."""
    await db.execute("UPDATE devices SET confirmed_image = ? WHERE id = ?", (sha256, device))


async def count_by_image(db: Connection, application: int) -> dict[str, int]:
    """How many devices of the application's groups run which image of its releases, of those that they have confirmed;
    by its hex digest."""
    rows = await all_of(
        db,
        "SELECT d.image, COUNT(*) AS count FROM devices d JOIN groups g ON g.id = d.group_id"
        " WHERE g.application_id = ?1 AND d.confirmed_image = d.image AND d.image IN (SELECT f.sha256 FROM files f"
        " JOIN releases r ON r.id = f.release_id WHERE r.application_id = ?1) GROUP BY d.image",
        (application,),
    )
    return {row["image"]: row["count"] for row in rows}


async def keep_inventory(
    db: Connection, device: int, digest: str, packages: Sequence[Mapping[str, object]], now_ms: int
) -> None:
    """The device has these packages, and no other, and calls that so."""
    await db.execute(
        "UPDATE devices SET inventory = ?, inventory_digest = ?, inventory_at_ms = ? WHERE id = ?",
        (json.dumps(list(packages)), digest, now_ms, device),
    )


async def describe(db: Connection, device: int, attributes: Mapping[str, Attribute]) -> None:
    """The device has these attributes, and no other."""
    await db.execute("UPDATE devices SET attributes = ? WHERE id = ?", (json.dumps(dict(attributes)), device))


async def move(db: Connection, device: int, group: str) -> None:
    """The device belongs to the group; it goes on proving itself as a device of the group that it enrolled in."""
    await db.execute(
        "UPDATE devices SET group_id = ? WHERE id = ?",
        (group, device),
    )


async def remove(db: Connection, device: Device, now_us: int) -> None:
    """The device is gone, with all that was kept of it, but for when the last nonce was issued that is void now.

    The caller has seen to its operations, which outlive it.
    """
    for table in ("device_tags", "events", "failures"):
        await db.execute(f"DELETE FROM {table} WHERE device_id = ?", (device.id,))
    await db.execute("DELETE FROM devices WHERE id = ?", (device.id,))
    await db.execute(
        "INSERT INTO deleted_devices (account_id, device, nonce_issued_us) VALUES (?1, ?2, ?3)"
        " ON CONFLICT (account_id, device) DO UPDATE SET nonce_issued_us = ?3",
        (device.account, device.device, max(device.nonce_issued_us, now_us)),
    )


async def enrolled_elsewhere(db: Connection, group: str) -> int:
    """How many devices prove themselves as devices of the group, and belong to another."""
    sql = "SELECT COUNT(*) FROM devices WHERE enrolled_group_id = ?1 AND group_id <> ?1"
    return await number(db, sql, (group,))


async def count_of_group(db: Connection, group: str) -> int:
    """How many devices belong to the group."""
    return await number(db, "SELECT COUNT(*) FROM devices WHERE group_id = ?", (group,))


async def count_seen(db: Connection) -> int:
    """How many devices were ever seen, of all accounts."""
    return await number(db, "SELECT COUNT(*) FROM devices WHERE last_seen_at_ms IS NOT NULL")


async def smallest_slots(db: Connection, application: int, least_bytes: int, group: str | None = None) -> list[Slot]:
    """For each chip among the devices of the application's groups, or of that one: the device with the smallest slot.

    Slots below `least_bytes` count only where the chip has no other; their size is 0 then.
    """
    rows = await all_of(
        db,
        "SELECT chip, device, size FROM (SELECT d.chip, d.device,"
        " CASE WHEN d.slot_size >= ?1 THEN d.slot_size ELSE 0 END AS size, ROW_NUMBER() OVER"
        " (PARTITION BY d.chip ORDER BY d.slot_size < ?1, d.slot_size, d.id) AS place"
        " FROM devices d JOIN groups g ON g.id = d.group_id"
        " WHERE g.application_id = ?2 AND (?3 IS NULL OR g.id = ?3) AND d.chip IS NOT NULL) AS ranked"
        " WHERE place = 1 ORDER BY chip",
        (least_bytes, application, group),
    )
    return [Slot(row["chip"], row["device"], row["size"]) for row in rows]


def of_row(row: Row) -> Device:
    """The device of a row that `SELECT` found."""
    return Device(
        id=row["id"],
        account=row["account_id"],
        device=row["device"],
        group=row["group_id"],
        group_name=row["group_name"],
        enrolled_group=row["enrolled_group_id"],
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
        offered_sequence=row["offered_sequence"],
        security_version=row["security_version"],
        nonce_issued_us=row["nonce_issued_us"],
        nonce_seq=row["nonce_seq"],
        last_seen_at_ms=row["last_seen_at_ms"],
        created_at_ms=row["created_at_ms"],
        attributes=json.loads(row["attributes"]),
        inventory=None if row["inventory"] is None else json.loads(row["inventory"]),
        inventory_digest=row["inventory_digest"],
        inventory_at_ms=row["inventory_at_ms"],
        trusted=None if row["trusted"] is None else json.loads(row["trusted"]),
        confirmed_image=row["confirmed_image"],
        mpy=row["mpy"],
        micropython=row["micropython"],
        bundle=row["bundle"],
    )
