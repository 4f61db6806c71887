"""Addresses of packages and of their files. Pure. What is no address raises PackageError, which does not show it: it
may hold a password."""

from binascii import b2a_base64, unhexlify

from .errors import PackageError

_SHORT = {
    "github:": "https://raw.githubusercontent.com/{}/{}/{}/{}",
    "gitlab:": "https://gitlab.com/{}/{}/-/raw/{}/{}",
}


def is_full(address: str) -> bool:
    """Whether it says by itself where it is."""
    return any(address.startswith(start) for start in ("http://", "https://", "github:", "gitlab:"))


def full(address: str, branch: str) -> str:
    """The address, in full when it is one of the short forms; `branch` is empty for the usual one."""
    form = _SHORT.get(address[:7])
    if form is None:
        return address
    parts = address[7:].split("/")
    if len(parts) < 2:
        raise PackageError("an address without a repository")
    return form.format(parts[0], parts[1], branch or "HEAD", "/".join(parts[2:]))


def joined(base: str, address: str) -> str:
    """The address, which may be relative to `base`: a full one, or a path on the device's own server."""
    if is_full(address):
        return address
    if address.startswith("//"):
        return base.split("/")[0] + address
    if address.startswith("/"):
        return ("" if base.startswith("/") else "/".join(base.split("/")[:3])) + address
    return base.split("?")[0].rpartition("/")[0] + "/" + address


def redirected(base: str, location: str) -> str:
    """Where the answer from `base` leads. A way out of TLS raises PackageError."""
    there = joined(base, location)
    if base.startswith("https:") and not there.startswith("https:"):
        raise PackageError("redirected from https to http")
    return there


def split(uri: str) -> "tuple[str, str, str]":
    """The origin, the path with its query, and user name and password in base64, empty for none."""
    scheme, _, rest = uri.partition("://")
    scheme = scheme.lower()
    end = min(len(rest.split(mark)[0]) for mark in "/?#")
    login, at, host = rest[:end].rpartition("@")
    name, colon, port = host.partition(":")
    if scheme not in ("http", "https") or not name or colon and not port.isdigit():
        raise PackageError("an address that is not http:// or https://")
    if any(not "!" <= c <= "~" for c in uri) or "\\" in uri:
        raise PackageError("an address with characters that it can't have")
    path = rest[end:].split("#")[0]
    return scheme + "://" + host.lower(), path if path[:1] == "/" else "/" + path, _basic(login) if at else ""


def _basic(login: str) -> str:
    """`user:password`, percent-encoded, as RFC 7617 has it."""
    first, *others = login.split("%")
    try:
        decoded = first.encode() + b"".join(unhexlify(part[:2]) + part[2:].encode() for part in others)
    except ValueError:
        raise PackageError("an address with characters that it can't have")
    return b2a_base64(decoded).decode().strip()
