"""Bounds and defaults of the server, with their units."""

DEVICE_BODY_LIMIT_BYTES = 4 * 1024
API_BODY_LIMIT_BYTES = 64 * 1024
IMAGE_LIMIT_BYTES = 16 * 1024 * 1024
UPLOAD_CHUNK_BYTES = 256 * 1024

NONCE_LIFE_S = 24 * 3600
LINK_LIFE_S = 900

GROUP_KEYS_LIMIT = 8  # so that an answer with all of them stays below the 8 KiB that a device reads
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
