"""Told apart: the first start in a directory, and a directory whose database is lost.

The mark `first-start` lies in the directory from before the database is made until everything that a server keeps is
there. So a first start that power cut short is simply done again, while keys or images without a database refuse.
"""

import os
from pathlib import Path

from twinslot_host.datadir import (
    ARTIFACTS,
    DATABASE,
    FIRST_START,
    JWT_KEY,
    LINK_KEY,
    NONCE_KEY,
    created,
    sync_directory,
    usable,
)
from twinslot_host.errors import NotADataDir


def begun(data: Path) -> bool:
    """Whether no server has been started here to its end before; the directory is marked then.

    A `signing.pem` alone does not count: an owner may bring the server's key. Raises NotADataDir when there is no
    database, or an empty one, and secrets or images tell that there was one.
    """
    database, mark = data / DATABASE, data / FIRST_START
    with usable(database):
        if database.exists() and database.stat().st_size > 0:
            return mark.exists()
    secrets = [] if mark.exists() else [each for each in (JWT_KEY, NONCE_KEY, LINK_KEY) if (data / each).exists()]
    if any((data / ARTIFACTS).glob("??/*")):
        secrets.append(ARTIFACTS)
    if secrets:
        raise NotADataDir(
            f"{database} is missing or empty, and {secrets[0]} is there from before;"
            " restore the database from a backup, or start with an empty directory"
        )
    if not mark.exists():
        with created(mark) as file:
            os.fsync(file.fileno())
        sync_directory(data)  # CUT: before this the directory is as empty as it was
    return True


def ended(data: Path) -> None:
    """Everything that a server keeps is there, durably; from now on a lost database refuses."""
    (data / FIRST_START).unlink(missing_ok=True)  # CUT: the next start takes itself for the first, and changes nothing
    sync_directory(data)
