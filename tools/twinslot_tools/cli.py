"""The `twinslot` command, and how it ends. What takes time to import is imported where Ctrl-C is already handled."""

import errno
import os
import sys

from twinslot_tools.errors import BadFile, TwinslotError, UsageError

INTERRUPTED = 130
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def main() -> None:
    """The command has run and the process ends with its exit code; an error is one message on standard error."""
    try:
        _open_streams()
        _check_arguments(sys.argv[1:])
        _run()
    except TwinslotError as error:
        if str(error):
            _complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception:  # noqa: BLE001 - the last stop before the user
        import traceback

        traceback.print_exc()
        _complain("this is a bug in twinslot; please report it with the lines above")
        sys.exit(1)


def _run() -> None:
    from twinslot_tools.command_line import app

    try:
        app()
    except OSError as error:
        if error.errno in NO_ROOM:
            raise BadFile(f"can't write: {error.strerror}") from error
        raise


def _open_streams() -> None:
    """Standard streams that the caller closed lead nowhere, so that no file takes their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - for the whole process


def _check_arguments(arguments: list[str]) -> None:
    """Raises `UsageError` for one that is no text; Python has put surrogates in place of what it could not decode."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{argument!r} is not UTF-8") from None


def _complain(message: str) -> None:
    """The message is on standard error, without anything that a terminal would act on."""
    lines = message.split("\n")
    shown = "\n".join("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line) for line in lines)
    try:
        print(f"twinslot: {shown}", file=sys.stderr)
    except OSError:
        return  # nobody to tell; the exit code does
