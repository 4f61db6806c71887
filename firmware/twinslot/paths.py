"""Which files a command may show, however their paths are written. Pure."""

from .config import PATH


def whole_path(path: str, folder: str) -> str:
    """The path from the root on, without `.`, `..` and empty parts; `folder` is where a relative one begins."""
    parts: "list[str]" = []
    for part in (path if path[:1] == "/" else folder + "/" + path).split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def is_secret(path: str) -> bool:
    """Whether that whole path may be the board's configuration, with its key. A path ends at a NUL for the file
    system, and FAT knows neither case nor what is behind the first letters of a name."""
    name = path.lower().split("\0")[0].rstrip(". ")
    return name == PATH or name.startswith("/twinsl~")
