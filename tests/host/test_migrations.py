"""What an older version of the server has stored is all there after the first start of this one."""

import base64
import hashlib
import sqlite3
from contextlib import closing

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from twinslot_host.store.migrations import MIGRATIONS

from .carried import applied
from .clients import until
from .samples import make_image, make_manifest
from .scene import rows

IMAGE = make_image(size=5000)
SHA256 = hashlib.sha256(IMAGE).hexdigest()
GROUP = {"id": "a" * 24, "token": "token-of-the-first-version", "app": "kettle"}
ACCOUNT = "b" * 24


def first_database(path, manifest: bytes, signature: bytes) -> None:
    """A database as the first migration makes it, with one of each thing."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE migrations (number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT")
        db.execute("INSERT INTO migrations VALUES (1, 0)")
        for statement in MIGRATIONS[0]:
            db.execute(statement)
        db.execute("INSERT INTO accounts VALUES (?, 1)", (ACCOUNT,))
        db.execute("INSERT INTO applications VALUES (1, ?, 'kettle', 1000, 1)", (ACCOUNT,))
        db.execute("INSERT INTO groups VALUES (?, ?, 1, 'kitchen', 'server', 30, 1)", (GROUP["id"], ACCOUNT))
        db.execute("INSERT INTO group_tokens VALUES (1, ?, ?, ?, 1, NULL)", (ACCOUNT, GROUP["id"], GROUP["token"]))
        db.execute(
            "INSERT INTO devices (id, account_id, device, group_id, created_at_ms) VALUES (1, ?, 'old', ?, 1)",
            (ACCOUNT, GROUP["id"]),
        )
        db.execute(
            "INSERT INTO devices (id, account_id, device, group_id, sequence, created_at_ms)"
            " VALUES (2, ?, 'kept', ?, 1000, 1)",
            (ACCOUNT, GROUP["id"]),
        )
        db.execute(
            "INSERT INTO releases VALUES (1, ?, 1, '1.1.0', 'general', '[\"1.0.0\"]', ?, ?, 0, 3, 'server', 1000)",
            (ACCOUNT, SHA256, len(IMAGE)),
        )
        db.execute("INSERT INTO signatures VALUES (?, 1, 1000, 1, ?, ?, 1)", (ACCOUNT, manifest, signature))


def second_database(path) -> None:
    """A database as the second migration left it, with one of each thing that was there before it."""
    first_database(path, b"manifest", b"signature")
    with closing(sqlite3.connect(path)) as db, db:
        for statement in MIGRATIONS[1]:
            db.execute(statement)
        db.execute("INSERT INTO migrations VALUES (2, 0)")
        db.execute("INSERT INTO device_tags VALUES (1, 'beta', ?)", (ACCOUNT,))


def test_data_of_the_second_version_is_kept_and_its_devices_take_operations(start):
    server = start()
    server.stop()
    data = server.data
    for end in ("", "-wal", "-shm"):
        (data / f"twinslot.db{end}").unlink(missing_ok=True)
    (data / "artifacts" / SHA256[:2]).mkdir()
    (data / "artifacts" / SHA256[:2] / SHA256).write_bytes(IMAGE)
    second_database(data / "twinslot.db")
    before = rows(data)
    server = start()
    after = rows(data)
    for table in before.keys() - {"migrations", "setup_links", "sqlite_sequence"}:
        assert [{name: row[name] for name in old} for old, row in zip(before[table], after[table], strict=True)] == (
            before[table]
        )
    assert [each["packages"] for each in (server.api("GET", f"/devices/{name}").json for name in ("old", "kept"))] == [
        None,
        None,
    ]
    board = server.board(GROUP, "old")
    board.inventory([{"name": "heater", "version": "1.0", "modules": []}])
    server.api("POST", "/jobs", {"name": "job", "command": "date", "tag": "beta"})
    assert board.work()["command"] == "date"
    server.stop()
    restarted = start()
    assert restarted.api("GET", "/devices/old/queue").json["items"][0]["state"] == "sent"


def test_data_of_the_first_version_is_shown_and_offered_as_before(start):
    server = start()
    server.stop()
    data = server.data
    for end in ("", "-wal", "-shm"):
        (data / f"twinslot.db{end}").unlink(missing_ok=True)
    key = serialization.load_pem_private_key((data / "signing.pem").read_bytes(), None)
    manifest = make_manifest(IMAGE, 1000, security=3)
    signature = key.sign(manifest, padding.PKCS1v15(), hashes.SHA256())
    first_database(data / "twinslot.db", manifest, signature)
    (data / "artifacts" / SHA256[:2]).mkdir()
    (data / "artifacts" / SHA256[:2] / SHA256).write_bytes(IMAGE)

    for _ in range(2):  # the second start finds the work done
        server = start()
        release = server.api("GET", "/applications/kettle/releases/1.1.0").json
        assert (release["sequence"], release["security_version"], release["upgradable_from"]) == (1000, 3, ["1.0.0"])
        assert (release["sha256"], release["size"], release["chip"], release["file"]) == (
            SHA256,
            len(IMAGE),
            0,
            "firmware.bin",
        )
        assert server.api("GET", "/devices/old").json["enrolled_group"] == GROUP["id"]
        until(lambda: rows(data)["transfers"])
        offer = server.board(GROUP, "old").offer()
        assert (base64.b64decode(offer["manifest"]), base64.b64decode(offer["signature"])) == (manifest, signature)
        assert server.request("GET", offer["image"]).body == IMAGE
        assert applied(server.request("GET", offer["transfer"]).body) == IMAGE
        assert [each["id"] for each in server.api("GET", "/accounts").json["items"]] == [ACCOUNT]
        held = {each["device"]: each["security_version"] for each in rows(data)["devices"]}
        assert held == {"old": 0, "kept": 3}
        server.stop()
    assert release["created_at"] == "1970-01-01T00:00:01.000Z"
