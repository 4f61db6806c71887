"""Bounds and defaults of the server, with their units."""

DEVICE_BODY_LIMIT_BYTES = 4 * 1024
API_BODY_LIMIT_BYTES = 64 * 1024
REQUEST_LINE_LIMIT_BYTES = 64 * 1024  # so that a path with a name that is too long is answered by its surface
IMAGE_LIMIT_BYTES = 16 * 1024 * 1024
FORM_LIMIT_BYTES = IMAGE_LIMIT_BYTES + 4 * API_BODY_LIMIT_BYTES  # a file, and whatever else a form can hold
UPLOAD_CHUNK_BYTES = 256 * 1024

SLOT_LEAST_BYTES = 64 * 1024  # a device that tells of a smaller one counts for no release

HEAD_S = 30.0  # for a request's head, from the connection or the answer before
BODY_S = 30.0  # for a whole body, uploads aside
LINGER_S = 5.0  # for the rest of a body that was refused, so that the client reads the answer
UPLOAD_SILENCE_S = 60.0  # without a byte of an upload
OUT_OF_FILES_TOLD_S = 60.0  # between two lines of the log that tell of it

NONCE_LIFE_S = 24 * 3600
LINK_LIFE_S = 900
TOKEN_LIFE_S = 3600  # of a user's or a client's token
OPERATOR_TOKEN_LIFE_LIMIT_S = 10 * 365 * 24 * 3600

PASSWORD_LEAST = 10  # characters
PASSWORD_MOST = 256
HASHES_AT_ONCE = 2  # each takes 64 MiB
HASHES_WAITING = 32  # more are refused until some are done
FAILURES_FREE = 5  # wrong passwords in a row for a name, before it has to wait
FAILURE_WAIT_MOST_S = 60
FAILURE_KEPT_S = 15 * 60
FAILURE_NAMES = 10_000

JWKS_LIMIT_BYTES = 256 * 1024
JWKS_TIMEOUT_S = 10.0
JWKS_LIFE_S = 600  # a key that the issuer has withdrawn is good no longer than this
JWKS_AGAIN_S = 30  # between two fetches for a key that is not known
JWKS_FAILED_S = 5  # after a fetch that failed

POLL_LIMIT_S = 24 * 3600  # between two check-ins
GRACE_LIMIT_S = 365 * 24 * 3600  # in which a token is valid beside the one that replaced it
TAGS_LIMIT = 32  # of a device
ATTRIBUTES_LIMIT = 32  # of a device
ATTRIBUTE_NAME_LIMIT = 64  # characters
ATTRIBUTE_TEXT_LIMIT = 256  # characters
FILTER_GROUPS_LIMIT = 100
SOUGHT_LIMIT = 200  # characters
GROUP_KEYS_LIMIT = 8  # so that an answer with all of them stays below the 8 KiB that a device reads
GROUP_TOKENS_LIMIT = 8  # valid at a time; each costs every request of the group an HMAC
CLOCK_LEEWAY_S = 60  # of whoever issued a token
RELEASE_FILTERS_LIMIT = 100  # each is matched at every check-in of the application's devices
PAGE_DEFAULT = 100
PAGE_LIMIT = 1000
EVENTS_SHOWN = 100

SHUTDOWN_S = 3.0

SCOPES = (
    "group:read",
    "group:update",
    "device:read",
    "device:update",
    "application:software:read",
    "application:software:update",
    "application:software:delete",
    "endpoint:read",
    "group:ota:read",
    "group:ota:update",
    "filter:read",
    "filter:update",
    "workflow:read",
    "workflow:update",
    "job:read",
    "job:update",
    "package:read",
    "package:update",
    "audit:read",
    "user:read",
    "user:update",
    "client:read",
    "client:update",
    "account:update",
)
