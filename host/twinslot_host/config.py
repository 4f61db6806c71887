"""Bounds and defaults of the server, with their units."""

DEVICE_BODY_LIMIT_BYTES = 4 * 1024
INVENTORY_LIMIT_BYTES = 8 * 1024
OPERATION_LIMIT_BYTES = 16 * 1024  # 2048 characters, each escaped in six bytes, and the rest
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

WAIT_LIMIT_S = 300  # for which a check-in may be held open
HELD_LIMIT = 20_000  # check-ins held open; beyond that they are answered at once
FILES_SPARED = 500  # that the server may open, which no held check-in takes
RETURN_S = 5.0  # in which a device that is about to check in again is expected to do so
SETTLE_S = 0.05  # after a change, for more changes, before the held check-ins are decided anew
WOKEN_AT_ONCE = 32  # held check-ins that are decided anew at a time; the others wait, so that other requests come first
HELD_SWEEP_S = 5.0  # between two looks for connections that are gone, for operations whose time is over, and for dates
DEVICE_REQUESTS_LIMIT = 256  # in progress, held check-ins aside; more are answered 503
RETRY_LEAST_S = 5
RETRY_MOST_S = 60  # after a 503; devices come back at any time between the two
POLL_SPREAD = 0.1  # of the interval, up or down
POLL_STRETCH = 5  # times the interval, at the limit of requests in progress

DELTA_S = 1800.0  # for the process that makes one
DELTA_NICENESS = 19  # of that process: what nobody else wants of the processor
DELTA_AGAIN_S = 600.0  # before one that could not be made is tried again; twice as long after each further time
DELTAS_WAITING = 20  # of an account, to be made; more are asked for again by later check-ins
DELTA_BASES = 16  # against which an image has deltas: those that most devices of its application run
DELTA_ACCOUNT_BYTES = 256 * 1024 * 1024  # of the deltas of an account's images
DELTA_SPARED_S = 24 * 3600  # after it was last offered, in which none is removed for another
DELTA_KEPT_S = 30 * 24 * 3600  # after it was last offered
DELTA_NOTED_S = 3600  # between two notes of when it was last offered

POLL_LIMIT_S = 24 * 3600  # between two check-ins
GRACE_LIMIT_S = 365 * 24 * 3600  # in which a token is valid beside the one that replaced it
TAGS_LIMIT = 32  # of a device
ATTRIBUTES_LIMIT = 32  # of a device
ATTRIBUTE_NAME_LIMIT = 64  # characters
ATTRIBUTE_TEXT_LIMIT = 256  # characters
FILTER_GROUPS_LIMIT = 100
SOUGHT_LIMIT = 200  # characters
GROUP_KEYS_LIMIT = 4  # of a new group: as many as a device keeps after a change, so that each of them can be replaced
KEYS_TOLD_LIMIT = 8  # by a device; as many as groups had before keys could change
GROUP_TOKENS_LIMIT = 8  # valid at a time; each costs every request of the group an HMAC
CLOCK_LEEWAY_S = 60  # of whoever issued a token
RELEASE_FILTERS_LIMIT = 100  # each is matched at every check-in of the application's devices
COMMAND_LIMIT = 1024  # characters
WORKFLOW_NAME_LIMIT = 128  # characters; of a job too
JOB_TIMEOUT_S = 600  # that an attempt of a job's command may take, where nobody says
JOB_TIMEOUT_LIMIT_S = 24 * 3600
OPERATION_KEPT_S = 365 * 24 * 3600  # after its end; one of a job as long as the job is there
PRUNE_S = 3600.0  # between two looks for what was kept long enough
PAGE_DEFAULT = 100
PAGE_LIMIT = 1000
PAGE_WHOLE_LIMIT = 50  # operations with all that they printed, 32 KiB each
EVENTS_SHOWN = 100

PACKAGE_LIMIT_BYTES = 1024 * 1024  # all files of an uploaded package
PACKAGE_FILES_LIMIT = 64
INSTALL_TIMEOUT_S = 1800  # for a device to download a package and install it
UNINSTALL_TIMEOUT_S = 300
REBOOT_DELAY_LIMIT_MS = 24 * 3600 * 1000
ANSWER_LEAST_MS = 100  # how long a caller waits for a device
ANSWER_MOST_MS = 300_000
ANSWER_DEFAULT_MS = 30_000

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
