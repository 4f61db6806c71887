"""The errors of the `twinslot` command, each with the exit code that a script sees."""

from typing import ClassVar


class TwinslotError(Exception):
    """Root of what the command refuses; the message says what happened, to what, and what to do."""

    exit_code: ClassVar[int] = 1


class UsageError(TwinslotError):
    """The arguments or the environment do not make sense together."""

    exit_code = 2


class BadFile(TwinslotError):
    """A file that was given can't be used, or can't be written."""

    exit_code = 3


class ServerRefused(TwinslotError):
    """The server answered with an error, with nonsense, or not at all. `status` is 0 without an answer, `retry_after_s`
    when it named no time to try again."""

    exit_code = 4

    def __init__(self, message: str, status: int = 0, retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class NoDevice(TwinslotError):
    """There is no board, real or simulated, to work with."""

    exit_code = 5


class BoardFailed(TwinslotError):
    """A board at the end of a cable did not do what it was told, or can't; the message says what it was."""

    exit_code = 1


class Unhealthy(TwinslotError):
    """A board at the end of a cable lacks something that updates need."""

    exit_code = 1


class NotConfirmed(TwinslotError):
    """The time was up, or the board was switched off, before it had confirmed the wanted version."""

    exit_code = 1


class OperationFailed(TwinslotError):
    """A device did not do what it was to do."""

    exit_code = 1


class Interrupted(TwinslotError):
    """Somebody pressed Ctrl-C; there is nothing to say about it."""

    exit_code = 130


class OutputClosed(TwinslotError):
    """Whoever read the output reads no more, as `head` does; as with other tools there is nothing to say about it."""

    exit_code = 141
