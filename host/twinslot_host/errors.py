"""What can go wrong on the server, one class for each decision that a caller takes.

`status` is the HTTP status with which the error middleware answers; the message is shown to the caller,
so it never holds a token, a key or a password.
"""


class TwinslotError(Exception):
    """Root of the server's own errors."""

    status = 500
    title = "Internal server error"


class DataDirInUse(TwinslotError):
    """Another server holds the data directory."""


class NotADataDir(TwinslotError):
    """The directory is not one that a server has set up, or not one that this server can use."""


class CannotListen(TwinslotError):
    """The address is taken, or not one of this machine."""


class Invalid(TwinslotError):
    """The input is wrong; the message names what is wrong and what to do."""

    status = 400
    title = "Bad request"


class Unauthorized(TwinslotError):
    """No credential, or one that is not accepted."""

    status = 401
    title = "Unauthorized"

    def __init__(self, message: str, challenge: str) -> None:
        super().__init__(message)
        self.challenge = challenge


class Forbidden(TwinslotError):
    """The credential is good, and does not allow this."""

    status = 403
    title = "Forbidden"


class NotFound(TwinslotError):
    """The account has nothing of that name."""

    status = 404
    title = "Not found"


class Conflict(TwinslotError):
    """What exists already forbids this."""

    status = 409
    title = "Conflict"


class NotConnected(TwinslotError):
    """The device is not connected, or does not answer, and what it would say is not known."""

    status = 409
    title = "Device not connected"


class TooSlow(TwinslotError):
    """The body did not come in time; the connection ends."""

    status = 408
    title = "Request timeout"


class TooLarge(TwinslotError):
    """The body is over its limit; it was not read to its end."""

    status = 413
    title = "Content too large"


class WrongType(TwinslotError):
    """The body is of another media type than the route takes."""

    status = 415
    title = "Unsupported media type"


class TooMany(TwinslotError):
    """Too many attempts; `wait_s` is how long to wait before the next."""

    status = 429
    title = "Too many requests"

    def __init__(self, message: str, wait_s: int) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class Busy(TooMany):
    """The server has too much to do now; `wait_s` is how long to wait before the next attempt."""

    status = 503
    title = "Service unavailable"


class Unavailable(TwinslotError):
    """What the request needs can't be reached now; the same request may succeed later."""

    status = 503
    title = "Service unavailable"


class StorageFull(TwinslotError):
    """The disk or a quota is full; nothing was changed."""

    status = 507
    title = "Insufficient storage"
