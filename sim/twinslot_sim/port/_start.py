"""What the chip's firmware does between the bootloader and the prompt (ports/esp32/main.c, modules/_boot.py)."""

import builtins
import gc
import sys

import _chip
import _rom
import micropython
import vfs

# What a new file system begins with (ports/esp32/modules/inisetup.py).
_BOOT_PY = """\
# This file is executed on every boot (including wake-boot from deepsleep)
#import esp
#esp.osdebug(None)
#import webrepl
#webrepl.start()
"""


def _mount_root():
    """Whether there is a file system, be it a new one."""
    from esp32 import Partition

    bdev = Partition.find(Partition.TYPE_DATA, label="vfs")[0]
    try:
        vfs.mount(vfs.VfsLfs2(bdev, readsize=32, progsize=32, lookahead=32), "/")
    except OSError:
        block = bytearray(4096)
        bdev.readblocks(0, block)
        if any(b != 0xFF for b in block):
            return False
        vfs.VfsLfs2.mkfs(bdev, readsize=32, progsize=32, lookahead=32)
        vfs.mount(vfs.VfsLfs2(bdev, readsize=32, progsize=32, lookahead=32), "/")
        with open("/boot.py", "w") as file:
            file.write(_BOOT_PY)
    return True


def _say_that_files_are_corrupted():
    """Until Ctrl-C (ports/esp32/modules/inisetup.py, `fs_corrupted`)."""
    import time

    try:
        while True:
            print("The filesystem appears to be corrupted. Erase the vfs partition or flash the board anew.")
            time.sleep(3)
    except KeyboardInterrupt:
        return  # what is frozen runs all the same


def _list_frozen_modules_too(help):
    """`help("modules")` names the frozen ones, as on a chip, whose interpreter knows them itself (py/builtinhelp.c)."""

    def helps(*about):
        help(*about)
        if about == ("modules",):
            import os

            print("  ".join(name.split(".")[0] for name in os.listdir("/.frozen")))

    builtins.help = helps


def _said(error):
    """The traceback, as text, without this module's own frames."""
    import io

    text = io.StringIO()
    sys.print_exception(error, text)
    return "".join(line + "\n" for line in text.getvalue().split("\n") if line and '"_start.py"' not in line)


def _run_file(name, scope):
    """Whether `name` has run without an error, or does not exist. Frozen code comes first (shared/runtime/pyexec.c)."""
    import os

    frozen = name[:-3] + ".mpy" in os.listdir("/.frozen")
    if not frozen and name not in os.listdir("/"):
        return True
    try:
        if frozen:
            path = list(sys.path)
            sys.path.insert(0, "/.frozen")  # and, other than on a chip, what it imports comes from there first too
            try:
                __import__(name[:-3])
            finally:
                sys.path[:] = path
        else:
            execfile(name, scope)
    except SystemExit:
        raise
    except BaseException as error:
        sys.stdout.write(_said(error))
        return False
    return True


def _run_code(code, single, scope):
    """`code` has run in `scope`; returns what there is to say of an error."""
    try:
        exec(compile(str(code, "utf-8"), "<stdin>", "single" if single else "exec"), scope)
    except SystemExit:
        raise
    except BaseException as error:
        return _said(error)
    return ""


def run(scope):
    """The board has been switched on; returns when a soft reset is due."""
    import ssl
    import time

    import esp32  # noqa: F401 - built in on a chip, so never looked up in a file system
    import machine
    import network
    import ntptime

    for name in list(scope):
        if name != "__name__":
            del scope[name]
    frozen = _rom.frozen() or _rom.NOTHING_FROZEN
    sys.argv[:] = []
    vfs.umount("/.port")
    vfs.umount("/")
    has_files = _mount_root()
    vfs.mount(vfs.VfsRom(frozen), "/.frozen")
    _list_frozen_modules_too(help)
    sys.path[:] = ["", "/.frozen", ".frozen", "/lib"]
    gc.collect()
    kind, error = 1, ""
    try:
        _chip.call(21)
        if not has_files:
            _say_that_files_are_corrupted()
        if _run_file("boot.py", scope) and _rom.run_main:
            _run_file("main.py", scope)
    except SystemExit:
        return
    except KeyboardInterrupt:
        pass  # between the two files: to the prompt
    while True:
        try:
            single, code = _chip.call(19, kind, payload=error.encode())
        except KeyboardInterrupt:
            continue
        try:
            kind, error = 2, _run_code(code, single, scope)
        except SystemExit:
            return
        code = None
        gc.collect()
