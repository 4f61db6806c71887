"""How a command is run: its words, its verb, what it prints, its exit code."""

import io
import sys

from micropython import const

from . import commandline, verbs
from .capture import Capture
from .doing import RESTARTING
from .hooks import settled

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .doing import Ending
    from .operations import Work
    from .output import Output

_NO_COMMAND = 2
_NO_VERB = 127


async def run(work: "Work", order: dict) -> "Ending":
    """The command of the operation `order` has run; how it ended, a shell would tell by its exit code."""
    output, errors = work.telling.output, work.telling.errors
    try:
        name, *arguments = commandline.split(str(order["command"]))
    except (KeyError, ValueError) as error:
        return _failed(errors, _NO_COMMAND, str(error))
    known = verbs.known(work.agent)
    if name not in known:
        return _failed(errors, _NO_VERB, "no verb {}; there are: {}".format(name, ", ".join(sorted(known))))
    given = arguments if name in work.agent.verbs else [work] + arguments
    with Capture(output, errors):
        try:
            result = await settled(known[name](*given))
            if result is not None:
                print(result)
            return "succeeded", 0, ""
        except verbs.Restart:
            return RESTARTING, 0, ""
        except SystemExit as ended:
            return _exited(errors, ended.args[0] if ended.args else 0)
        except Exception as error:  # noqa: BLE001 - the application's own; any is told
            sys.print_exception(error, _Stream(errors))
            return "failed", 1, "{}: {}".format(type(error).__name__, error)


def _exited(errors: "Output", code: object) -> "Ending":
    if code in (None, 0):
        return "succeeded", 0, ""
    if not isinstance(code, int):
        return _failed(errors, 1, str(code))
    code = code if 0 < code < 256 else 255
    return "failed", code, "exit code {}".format(code)


def _failed(errors: "Output", exit_code: int, why: str) -> "Ending":
    errors.write(why + "\n")
    return "failed", exit_code, why


class _Stream(io.IOBase):
    """A file whose content is told."""

    def __init__(self, output: "Output") -> None:
        self._output = output

    def write(self, data: "bytes | bytearray") -> int:
        """Returns how many bytes were taken: all."""
        self._output.write(str(bytes(data), "utf-8"))
        return len(data)
