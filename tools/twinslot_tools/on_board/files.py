# What there is to know of a board's files before any is written. Changes nothing there, and prints no secret. The
# document is printed as it is made: as one text it would need several KiB of the heap in one piece.
# mypy: ignore-errors
# ruff: noqa: PTH116, PTH123, PTH208, RUF021
import hashlib
import json
import os
import sys

FOLDER = 0x4000
KEPT = ("/boot.py", "/main.py", "/twinslot.json", "/twinslot-ca.pem")
PACKAGE = "/lib/twinslot"
TREES = ("/app_a", "/app_b")
PENDING_VERIFY = 1


def names(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def file(path):
    """Size and hash, whether there is code in it (a line that is no comment), how it begins, whether it names us."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as content:
        while True:
            part = content.read(512)
            if not part:
                break
            digest.update(part)
            size += len(part)
    return {"size": size, "sha256": digest.digest().hex()}


def script(path):
    found, begins = file(path), None
    found["code"] = found["names_us"] = False
    with open(path, "rb") as lines:
        for line in lines:
            begins = begins or line
            line = line.strip()
            found["code"] = found["code"] or bool(line) and line[:1] != b"#"
            found["names_us"] = found["names_us"] or b"twinslot" in line and line[:1] != b"#"
    found["ours"] = bool(begins) and begins[:13] == b"# Twinslot's "
    return found


def settings():
    """The configuration, with the hash of the key in its place and without the Wi-Fi's password; None for no usable
    one."""
    try:
        with open("/twinslot.json") as content:
            found = json.load(content)
        found["key"] = hashlib.sha256(found["key"].encode()).digest().hex()
        if found.get("wifi"):
            found["wifi"] = {"ssid": found["wifi"]["ssid"]}
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def under(folder, found):
    for entry in os.ilistdir(folder):
        path = folder + "/" + entry[0]
        if entry[1] == FOLDER:
            found[path] = None
            under(path, found)
        else:
            found[path] = file(path)


def files():
    found = {}
    for path in KEPT:
        try:
            found[path] = script(path) if path[-3:] == ".py" else file(path)
        except OSError:
            pass
    try:
        under(PACKAGE, found)
    except OSError:
        pass
    return found


def blocks(folder):
    """How many whole blocks the files fill."""
    there = os.ilistdir(folder)
    return sum(blocks(folder + "/" + at[0]) if at[1] == FOLDER else at[3] // space[0] for at in there)


def trees():
    """What lies at the top of each, and how many blocks come free with it; None for a file."""
    found = {}
    for path in TREES:
        try:
            is_folder = os.stat(path)[0] & FOLDER
        except OSError:
            continue  # there is none
        found[path] = {"names": names(path), "blocks": blocks(path)} if is_folder else None
    return found


def on_trial():
    """Whether boot.py has the release on trial that the tree came with; asked only where one runs."""
    from esp32 import NVS

    try:
        return NVS("twinslot").get_i32("spec_state") & 7 == PENDING_VERIFY
    except OSError:
        return False  # there never was one


tree = next((path for path in TREES if path in sys.path), "")  # boot.py puts it there
try:
    space = os.statvfs("/")
except OSError:
    space = (4096, 4096, 0, 0)
told = {"settings": settings(), "root": names("/"), "lib": names("/lib")}
told.update(tree=tree, trees=trees(), on_trial=bool(tree) and on_trial())
told.update(free_bytes=space[0] * space[3], block_bytes=space[0])
found = files()
print()
json.dump(told, sys.stdout)
print()
json.dump({"files": found}, sys.stdout)
print()
