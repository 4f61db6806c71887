"""The index of a folder of folders: which of them are in use, and what for. Read at each start.

`{name: {"version", "folder", "modules", "files"}}`: `folder` is a path below the root, `modules` the top-level modules
in it, `files` the digest of what lies there, empty where no hashes came (`mip.Plan.digest`).
"""

import json

from micropython import const

TYPE_CHECKING = const(False)
if TYPE_CHECKING:
    Index = dict[str, dict]

NAME = "index.json"
_ENOENT = 2


def load(root: str) -> "Index":
    """The index of `root`, which ends with a slash; empty when there is none. Raises ValueError for one that can't be
    used, OSError when flash can't be read."""
    try:
        with open(root + NAME) as file:
            index = json.load(file)
    except OSError as error:
        if error.errno == _ENOENT:
            return {}
        raise
    try:
        for entry in index.values():
            _ = entry["version"] + entry["folder"] + "".join(entry["modules"])  # all are text
    except (AttributeError, KeyError, TypeError):
        raise ValueError("not an index")
    return index
