"""What can go wrong, one class for each decision that a caller takes."""


class TwinslotError(Exception):
    """The root of all errors that this package raises."""


class ConfigError(TwinslotError):
    """The board is not provisioned, or wrongly: nothing helps but provisioning it again."""


class Unreachable(TwinslotError):
    """The server was not reached, or what answered could not prove to be it: wait, `wait_s` at least, and try again."""

    wait_s = 0


class Untimely(Unreachable):
    """The server's certificate is not valid yet, or no more, by the clock: doubt that, and try again."""


class Rejected(TwinslotError):
    """The server has said, and signed, that it will never take this: drop it."""

    wait_s = 0


class TransferError(TwinslotError):
    """The release did not arrive whole, or flash or NVS did not take what was written: try again later."""


class NvsRefused(TransferError):
    """Flash has refused one, and NVS takes no more before the next start: restart once that disturbs nobody."""


class PackageError(TwinslotError):
    """The package is not installed, or not removed; what was installed before still is: report it, and why."""


class NotBootable(TwinslotError):
    """The chip will not boot from the slot: nothing has changed, go back."""


class RecordUnreadable(TwinslotError):
    """There is a record and it can't be read: it must not be taken for a new board's."""


class Refused(TwinslotError):
    """The offer must not be installed: report it, and don't take it up again.

    `reason` is one of the words of docs/protocol.md, "Order of a device's checks".
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason if not detail else "{}: {}".format(reason, detail))
        self.reason = reason
