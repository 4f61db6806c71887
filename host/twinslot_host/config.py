"""Bounds and defaults of the server, with their units."""

DEVICE_BODY_LIMIT_BYTES = 4 * 1024
API_BODY_LIMIT_BYTES = 64 * 1024
IMAGE_LIMIT_BYTES = 16 * 1024 * 1024
UPLOAD_CHUNK_BYTES = 256 * 1024

SLOT_LEAST_BYTES = 64 * 1024  # a device that tells of a smaller one counts for no release

HEAD_S = 30.0  # for a request's head, from the connection or the answer before
BODY_S = 30.0  # for a whole body, uploads aside
LINGER_S = 5.0  # for the rest of a body that was refused, so that the client reads the answer
UPLOAD_SILENCE_S = 60.0  # without a byte of an upload
OUT_OF_FILES_TOLD_S = 60.0  # between two lines of the log that tell of it

NONCE_LIFE_S = 24 * 3600
LINK_LIFE_S = 900

GROUP_KEYS_LIMIT = 8  # so that an answer with all of them stays below the 8 KiB that a device reads
GROUP_TOKENS_LIMIT = 8  # valid at a time; each costs every request of the group an HMAC
CLOCK_LEEWAY_S = 60  # of whoever issued a token
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
    "workflow:read",
    "workflow:update",
    "job:read",
    "job:update",
    "package:read",
    "package:update",
    "audit:read",
    "user:update",
)
