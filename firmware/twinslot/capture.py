"""What a command prints, and nobody else: `print` knows which task it is called in."""

import asyncio
import builtins
import sys

from micropython import const

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    from .output import Output


_print = builtins.print  # always the built-in one; what was put in its place has the bare name alone (py/objmodule.c)


class Capture:
    """Within `with`, what the task that entered it prints goes into `output`, and into `errors` with
    `file=sys.stderr`. What other tasks print, those that it starts too, goes where it went."""

    def __init__(self, output: "Output", errors: "Output") -> None:
        self._output = output
        self._errors = errors

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        builtins.print = self._mine = self._captured

    def __exit__(self, *_: object) -> None:
        if print is self._mine:  # not that of a later one, while this one's task did not end in time
            builtins.print = _print

    def _captured(self, *words: object, **how: object) -> None:
        into = self._of(how.get("file"))
        if into is None:
            _print(*words, **how)  # pyright: ignore[reportArgumentType, reportCallIssue] - as it came
        else:
            into.write(str(how.get("sep", " ")).join(str(word) for word in words) + str(how.get("end", "\n")))

    def _of(self, file: object) -> "Output | None":
        """Where what the running task prints to `file` belongs, None for where it went."""
        try:
            if asyncio.current_task() is not self._task:
                return None
        except RuntimeError:  # outside of asyncio
            return None
        if file is sys.stderr:
            return self._errors
        return self._output if file is None or file is sys.stdout else None
