"""Where the user is logged in: a server's address and a token for it, in the user's own configuration folder."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from twinslot_tools.errors import BadFile
from twinslot_tools.shapes import fits


@dataclass(frozen=True)
class Login:
    """A server, and a token that is for it alone."""

    server: str
    token: str = field(repr=False)


def path(environ: Mapping[str, str] = os.environ) -> Path:
    """The file, there or not: `twinslot/config.json` in $XDG_CONFIG_HOME, or else in `~/.config`."""
    named = Path(environ.get("XDG_CONFIG_HOME", ""))  # one that is not absolute is to be ignored, says its standard
    return (named if named.is_absolute() else Path.home() / ".config") / "twinslot" / "config.json"


def load() -> Login | None:
    """The login, or `None` when there is none. Raises `BadFile` when the file is not as `store` writes it, for the user
    alone."""
    file = path()
    try:
        with file.open("rb") as content:
            mode = os.fstat(content.fileno()).st_mode
            told = json.loads(content.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadFile(f"can't read {file}: {error.strerror}") from error
    except (ValueError, RecursionError):
        told = None
    if not fits(told, {"server": str, "token": str}):
        raise BadFile(f"{file} is not as `twinslot login` writes it; `twinslot logout` removes it")
    if mode & 0o077:
        raise BadFile(
            f"others can read {file}, and the token in it. `twinslot logout` removes it; then `twinslot login` with a "
            "new token"
        )
    return Login(told["server"], told["token"])


def store(login: Login) -> Path:
    """The login is in the file, which only the user can read, in place of any that was there.

    Power loss: the file is written under another name, and then renamed.
    """
    file = path()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", prefix=".config-", dir=file.parent, delete=False) as new:  # mode 0600
            try:
                json.dump({"server": login.server, "token": login.token}, new)
                new.flush()
                os.fsync(new.fileno())
                # CUT: the old login, or none
                Path(new.name).replace(file)
            except BaseException:
                Path(new.name).unlink()
                raise
    except OSError as error:
        raise BadFile(f"can't write {file}: {error.strerror}") from error
    return file


def remove() -> bool:
    """There is no login any more; returns whether there was one."""
    file = path()
    try:
        file.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise BadFile(f"can't remove {file}: {error.strerror}") from error
    return True
