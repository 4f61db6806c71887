"""Where a package comes from: an address, which may hold a user name and a password, or `package:NAME`."""

import re
from collections.abc import Mapping

from twinslot_host.domain.packages import NAME
from twinslot_host.errors import Invalid

URI_LIMIT = 1024  # characters

UPLOADED = "package:"

_WEB = re.compile(
    r"(?P<scheme>https?)://(?:[^@/?#\\]*@)?(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?:[/?][^#\\]*)?",
    re.ASCII | re.IGNORECASE,
)
_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)
_CREDENTIALS = re.compile(r"^([^:/?#]+://)[^/?#]*@")
_PORT_LIMIT = 65535


def checked(uri: str) -> str:
    """The uri, its scheme in lower case. The caller has bounded it by `URI_LIMIT`. Raises Invalid, without showing it,
    when it is of no form that devices take: `http://…`, `https://…`, each without a fragment, or `package:NAME`.

    What could be read in two ways is refused, such as a second `@` before the path, or a backslash: so what
    `without_credentials` takes for the credentials is what a device takes for them.
    """
    if uri.startswith(UPLOADED):
        return _checked_name(uri)
    found = _WEB.fullmatch(uri)
    if found is None or not _PRINTABLE.fullmatch(uri) or not 0 < int(found["port"] or 80) <= _PORT_LIMIT:
        raise Invalid(
            "uri: it must be http://… or https://… of printable ASCII without a fragment, or package:NAME for a package"
            " that was uploaded to this server"
        )
    if found["host"].startswith("["):
        raise Invalid("uri: devices take no IPv6 address; give a name, or an IPv4 address")
    return found["scheme"].lower() + uri[len(found["scheme"]) :]


def without_credentials(request: Mapping[str, object]) -> dict[str, object]:
    """What an operation asks for, with `***` in its uri, when it has one, in the place of a user name and a password.
    It can be shown, logged and kept."""
    uri = request.get("uri")
    return {**request, "uri": _CREDENTIALS.sub(r"\1***@", uri)} if isinstance(uri, str) else dict(request)


def uploaded_name(uri: str) -> str | None:
    """The name of the uploaded package that the checked uri means; None: it is an address."""
    return uri.removeprefix(UPLOADED) if uri.startswith(UPLOADED) else None


def _checked_name(uri: str) -> str:
    if not NAME.fullmatch(uri.removeprefix(UPLOADED)):
        raise Invalid("uri: after package: comes a package's name, 1 to 64 of A-Z a-z 0-9 . _ + -")
    return uri
