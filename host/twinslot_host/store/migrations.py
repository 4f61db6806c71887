"""The schema, as numbered migrations: one that has been released is never edited, a change is a new one at the end.

SQL keeps to what SQLite and PostgreSQL share, STRICT aside.
"""

_FIRST = (
    "CREATE TABLE accounts (id TEXT PRIMARY KEY, created_at_ms INTEGER NOT NULL) STRICT",
    """CREATE TABLE applications (
        id INTEGER PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        name TEXT NOT NULL,
        last_sequence INTEGER NOT NULL,
        created_at_ms INTEGER NOT NULL,
        UNIQUE (account_id, name)
    ) STRICT""",
    """CREATE TABLE groups (
        id TEXT PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        application_id INTEGER NOT NULL REFERENCES applications (id),
        name TEXT NOT NULL,
        trust TEXT NOT NULL CHECK (trust IN ('server', 'publisher')),
        poll_s INTEGER NOT NULL DEFAULT 30,
        created_at_ms INTEGER NOT NULL,
        UNIQUE (account_id, name)
    ) STRICT""",
    "CREATE INDEX groups_by_application ON groups (application_id)",
    """CREATE TABLE group_tokens (
        id INTEGER PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        group_id TEXT NOT NULL REFERENCES groups (id),
        token TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        revoked_at_ms INTEGER
    ) STRICT""",
    "CREATE INDEX group_tokens_by_group ON group_tokens (group_id)",
    """CREATE TABLE group_keys (
        account_id TEXT NOT NULL REFERENCES accounts (id),
        group_id TEXT NOT NULL REFERENCES groups (id),
        fingerprint TEXT NOT NULL,
        modulus BLOB NOT NULL,
        PRIMARY KEY (group_id, fingerprint)
    ) STRICT""",
    """CREATE TABLE devices (
        id INTEGER PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        device TEXT NOT NULL,
        group_id TEXT NOT NULL REFERENCES groups (id),
        app TEXT,
        version TEXT,
        confirmed_version TEXT,
        sequence INTEGER NOT NULL DEFAULT 0,
        state TEXT CHECK (state IN ('idle', 'trial', 'safe')),
        image TEXT,
        chip INTEGER,
        slot_size INTEGER,
        free_heap INTEGER,
        reset_cause INTEGER,
        nonce_issued_us INTEGER NOT NULL DEFAULT 0,
        nonce_seq INTEGER NOT NULL DEFAULT 0,
        last_seen_at_ms INTEGER,
        created_at_ms INTEGER NOT NULL,
        UNIQUE (account_id, device)
    ) STRICT""",
    "CREATE INDEX devices_by_group ON devices (group_id)",
    """CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        device_id INTEGER NOT NULL REFERENCES devices (id),
        report TEXT,
        event TEXT NOT NULL,
        version TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        reason TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        UNIQUE (device_id, report)
    ) STRICT""",
    "CREATE INDEX events_by_device ON events (device_id, id)",
    """CREATE TABLE failures (
        account_id TEXT NOT NULL REFERENCES accounts (id),
        device_id INTEGER NOT NULL REFERENCES devices (id),
        sequence INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (device_id, sequence)
    ) STRICT""",
    """CREATE TABLE releases (
        id INTEGER PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        application_id INTEGER NOT NULL REFERENCES applications (id),
        version TEXT NOT NULL,
        strategy TEXT NOT NULL CHECK (strategy IN ('suspended', 'targeted', 'general')),
        upgradable_from TEXT,
        sha256 TEXT NOT NULL,
        size INTEGER NOT NULL,
        chip INTEGER NOT NULL,
        security_version INTEGER NOT NULL,
        signed_by TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        UNIQUE (application_id, version)
    ) STRICT""",
    "CREATE INDEX releases_by_sha256 ON releases (sha256)",
    """CREATE TABLE signatures (
        account_id TEXT NOT NULL REFERENCES accounts (id),
        application_id INTEGER NOT NULL REFERENCES applications (id),
        sequence INTEGER NOT NULL,
        release_id INTEGER NOT NULL REFERENCES releases (id),
        manifest BLOB NOT NULL,
        signature BLOB NOT NULL,
        created_at_ms INTEGER NOT NULL,
        PRIMARY KEY (application_id, sequence)
    ) STRICT""",
    "CREATE INDEX signatures_by_release ON signatures (release_id, sequence)",
)

_ACCOUNTS_AND_SOFTWARE = (
    "ALTER TABLE accounts ADD COLUMN name TEXT NOT NULL DEFAULT ''",
    # The account whose tokens may administer the others.
    "ALTER TABLE accounts ADD COLUMN first INTEGER NOT NULL DEFAULT 0 CHECK (first IN (0, 1))",
    "UPDATE accounts SET first = 1 WHERE id = (SELECT id FROM accounts ORDER BY created_at_ms, id LIMIT 1)",
    "ALTER TABLE accounts ADD COLUMN group_ota INTEGER NOT NULL DEFAULT 1 CHECK (group_ota IN (0, 1))",
    """CREATE TABLE setup_links (
        account_id TEXT PRIMARY KEY REFERENCES accounts (id),
        digest TEXT NOT NULL UNIQUE,
        created_at_ms INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE users (
        id TEXT PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        name TEXT NOT NULL UNIQUE,
        password TEXT NOT NULL,
        scopes TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX users_by_account ON users (account_id, name)",
    """CREATE TABLE clients (
        id TEXT PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        name TEXT NOT NULL,
        digest TEXT NOT NULL,
        scopes TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        UNIQUE (account_id, name)
    ) STRICT""",
    # No foreign key: a line of the audit outlives what it tells of.
    """CREATE TABLE audit (
        id INTEGER PRIMARY KEY,
        account_id TEXT NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX audit_by_account ON audit (account_id, id)",
    """CREATE TABLE filters (
        id TEXT PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        name TEXT NOT NULL,
        predicate TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        UNIQUE (account_id, name)
    ) STRICT""",
    """CREATE TABLE files (
        release_id INTEGER PRIMARY KEY REFERENCES releases (id),
        account_id TEXT NOT NULL REFERENCES accounts (id),
        name TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        size INTEGER NOT NULL,
        chip INTEGER,
        security_version INTEGER NOT NULL
    ) STRICT""",
    "INSERT INTO files (release_id, account_id, name, sha256, size, chip, security_version)"
    " SELECT id, account_id, 'firmware.bin', sha256, size, chip, security_version FROM releases",
    "CREATE INDEX files_by_sha256 ON files (sha256)",
    # That of the image which the device has confirmed, as far as the server has signed it.
    "ALTER TABLE devices ADD COLUMN security_version INTEGER NOT NULL DEFAULT 0",
    "UPDATE devices SET security_version = COALESCE((SELECT f.security_version FROM groups g"
    " JOIN signatures s ON s.application_id = g.application_id JOIN files f ON f.release_id = s.release_id"
    " WHERE g.id = devices.group_id AND s.sequence = devices.sequence), 0)",
    "DROP INDEX releases_by_sha256",
    "ALTER TABLE releases DROP COLUMN sha256",
    "ALTER TABLE releases DROP COLUMN size",
    "ALTER TABLE releases DROP COLUMN chip",
    "ALTER TABLE releases DROP COLUMN security_version",
    "ALTER TABLE releases ADD COLUMN specification BLOB",
    "ALTER TABLE releases ADD COLUMN metadata TEXT",
    "ALTER TABLE releases ADD COLUMN waits_for_file INTEGER NOT NULL DEFAULT 0 CHECK (waits_for_file IN (0, 1))",
    "ALTER TABLE releases ADD COLUMN lost_file INTEGER NOT NULL DEFAULT 0 CHECK (lost_file IN (0, 1))",
    """CREATE TABLE release_filters (
        release_id INTEGER NOT NULL REFERENCES releases (id),
        filter_id TEXT NOT NULL REFERENCES filters (id),
        account_id TEXT NOT NULL REFERENCES accounts (id),
        rollout_at_ms INTEGER,
        place INTEGER NOT NULL,
        PRIMARY KEY (release_id, filter_id)
    ) STRICT""",
    "CREATE INDEX release_filters_by_filter ON release_filters (filter_id)",
    "ALTER TABLE signatures ADD COLUMN void INTEGER NOT NULL DEFAULT 0 CHECK (void IN (0, 1))",
    "ALTER TABLE groups ADD COLUMN target_release_id INTEGER REFERENCES releases (id)",
    "CREATE INDEX groups_by_target ON groups (target_release_id)",
    """CREATE TABLE group_updates (
        id TEXT PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        group_id TEXT NOT NULL REFERENCES groups (id),
        path TEXT NOT NULL,
        version TEXT NOT NULL,
        place INTEGER NOT NULL,
        created_at_ms INTEGER NOT NULL,
        UNIQUE (group_id, place)
    ) STRICT""",
    "ALTER TABLE group_tokens ADD COLUMN expires_at_ms INTEGER",
    "ALTER TABLE devices ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}'",
    # The group whose token the device proves itself with; `group_id` is where its owner has moved it.
    "ALTER TABLE devices ADD COLUMN enrolled_group_id TEXT REFERENCES groups (id)",
    "UPDATE devices SET enrolled_group_id = group_id",
    "ALTER TABLE devices ADD COLUMN token_id INTEGER REFERENCES group_tokens (id)",
    "ALTER TABLE devices ADD COLUMN offered_sequence INTEGER NOT NULL DEFAULT 0",
    """CREATE TABLE device_tags (
        device_id INTEGER NOT NULL REFERENCES devices (id),
        tag TEXT NOT NULL,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        PRIMARY KEY (device_id, tag)
    ) STRICT""",
    # No request of the device counts whose nonce was issued then or before.
    """CREATE TABLE deleted_devices (
        account_id TEXT NOT NULL REFERENCES accounts (id),
        device TEXT NOT NULL,
        nonce_issued_us INTEGER NOT NULL,
        PRIMARY KEY (account_id, device)
    ) STRICT""",
    "CREATE INDEX device_tags_by_tag ON device_tags (account_id, tag)",
    "CREATE INDEX devices_by_enrolled_group ON devices (enrolled_group_id)",
    "CREATE INDEX devices_by_token ON devices (token_id)",
    "CREATE INDEX events_by_account ON events (account_id, id)",
)

_OPERATIONS = (
    """CREATE TABLE workflows (
        id TEXT PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        name TEXT NOT NULL,
        command TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX workflows_by_account ON workflows (account_id, created_at_ms)",
    # `workflow_id` is what was submitted; the workflow may be gone. `target_name` is as it was then.
    """CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        name TEXT NOT NULL,
        workflow_id TEXT NOT NULL,
        command TEXT NOT NULL,
        target TEXT NOT NULL CHECK (target IN ('device', 'group', 'tag')),
        target_name TEXT NOT NULL,
        timeout_s INTEGER NOT NULL,
        created_at_ms INTEGER NOT NULL,
        deleted_at_ms INTEGER
    ) STRICT""",
    "CREATE INDEX jobs_by_account ON jobs (account_id, created_at_ms)",
    # `place` orders a device's queue. `device` is the id that the device had; `device_id` is NULL once it is deleted.
    """CREATE TABLE operations (
        place INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        device_id INTEGER REFERENCES devices (id),
        device TEXT NOT NULL,
        job_id TEXT REFERENCES jobs (id),
        kind TEXT NOT NULL CHECK (kind IN ('command', 'install', 'uninstall')),
        request TEXT NOT NULL,
        timeout_s INTEGER NOT NULL,
        state TEXT NOT NULL CHECK
            (state IN ('queued', 'sent', 'running', 'succeeded', 'failed', 'timed out', 'cancelled')),
        is_over INTEGER NOT NULL DEFAULT 0 CHECK (is_over IN (0, 1)),
        stop INTEGER NOT NULL DEFAULT 0 CHECK (stop IN (0, 1)),
        attempt INTEGER NOT NULL DEFAULT 0,
        parts INTEGER NOT NULL DEFAULT 0,
        progress INTEGER,
        exit_code INTEGER,
        reason TEXT NOT NULL DEFAULT '',
        output TEXT NOT NULL DEFAULT '',
        errors TEXT NOT NULL DEFAULT '',
        cut INTEGER NOT NULL DEFAULT 0 CHECK (cut IN (0, 1)),
        created_at_ms INTEGER NOT NULL,
        started_at_ms INTEGER,
        ended_at_ms INTEGER
    ) STRICT""",
    "CREATE INDEX operations_by_queue ON operations (device_id, is_over, place)",
    "CREATE INDEX operations_by_job ON operations (job_id, place)",
    "CREATE INDEX operations_by_account ON operations (account_id, place)",
    "CREATE INDEX operations_out ON operations (started_at_ms) WHERE is_over = 0",
    # What the device last told of its packages, as JSON, and by which digest it calls that.
    "ALTER TABLE devices ADD COLUMN inventory TEXT",
    "ALTER TABLE devices ADD COLUMN inventory_digest TEXT",
    "ALTER TABLE devices ADD COLUMN inventory_at_ms INTEGER",
    """CREATE TABLE packages (
        id TEXT PRIMARY KEY,
        account_id TEXT NOT NULL REFERENCES accounts (id),
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        UNIQUE (account_id, name, version)
    ) STRICT""",
    """CREATE TABLE package_files (
        package_id TEXT NOT NULL REFERENCES packages (id),
        path TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        size INTEGER NOT NULL,
        PRIMARY KEY (package_id, path)
    ) STRICT""",
    "CREATE INDEX package_files_by_sha256 ON package_files (sha256)",
)

_RETENTION = ("CREATE INDEX operations_ended ON operations (job_id, ended_at_ms)",)

_TRANSFERS = (
    # `base` is '' without one; `sha256` is that of the transfer's own file, NULL when there is none.
    """CREATE TABLE transfers (
        account_id TEXT NOT NULL REFERENCES accounts (id),
        image TEXT NOT NULL,
        base TEXT NOT NULL,
        sha256 TEXT,
        size INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (account_id, image, base)
    ) STRICT""",
    "CREATE INDEX transfers_by_sha256 ON transfers (sha256)",
    # The image that the device was offered here and then confirmed; NULL: none.
    "ALTER TABLE devices ADD COLUMN confirmed_image TEXT",
    "CREATE INDEX devices_by_image ON devices (group_id, confirmed_image, image)",
)

_KEYS = (
    # From then on the key signs nothing new for the group; NULL: it does.
    "ALTER TABLE group_keys ADD COLUMN retired_at_ms INTEGER",
    # 0: the group was made with it.
    "ALTER TABLE group_keys ADD COLUMN by_release INTEGER NOT NULL DEFAULT 0 CHECK (by_release IN (0, 1))",
    # The fingerprints that the device last told, as JSON; NULL: it tells none.
    "ALTER TABLE devices ADD COLUMN trusted TEXT",
    "ALTER TABLE signatures ADD COLUMN changes_keys INTEGER NOT NULL DEFAULT 0 CHECK (changes_keys IN (0, 1))",
)

_BUNDLES = (
    # What a manifest tells of a bundle: its list, the format of its `.mpy` files and the oldest MicroPython, 0 and
    # 0.0.0 for any; NULL: the file is none. Its `chip` is NULL for any.
    "ALTER TABLE files ADD COLUMN list_sha256 TEXT CHECK (length(list_sha256) = 64)",
    "ALTER TABLE files ADD COLUMN list_size INTEGER CHECK (list_size BETWEEN 1 AND 8192)",
    "ALTER TABLE files ADD COLUMN mpy INTEGER CHECK (mpy BETWEEN 0 AND 65535)",
    "ALTER TABLE files ADD COLUMN micropython TEXT CHECK (length(micropython) BETWEEN 5 AND 11)",
    # What the device last told; NULL: it does not know bundles, or runs none.
    "ALTER TABLE devices ADD COLUMN mpy INTEGER CHECK (mpy BETWEEN 0 AND 65535)",
    "ALTER TABLE devices ADD COLUMN micropython TEXT CHECK (length(micropython) BETWEEN 5 AND 11)",
    "ALTER TABLE devices ADD COLUMN bundle TEXT CHECK (length(bundle) = 64)",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    _FIRST,
    _ACCOUNTS_AND_SOFTWARE,
    _OPERATIONS,
    _RETENTION,
    _TRANSFERS,
    _KEYS,
    _BUNDLES,
)
