"""GET and HEAD /device/v1/transfers/{sha256}: releases' files by content, by sendfile, for whoever has a link."""

import re

from aiohttp import ETag, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from twinslot_host import links
from twinslot_host.errors import Forbidden, NotFound
from twinslot_host.services import SERVICES

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CONDITIONS = (
    hdrs.IF_MATCH,
    hdrs.IF_NONE_MATCH,
    hdrs.IF_RANGE,
    hdrs.IF_MODIFIED_SINCE,
    hdrs.IF_UNMODIFIED_SINCE,
)


class ArtifactResponse(web.FileResponse):
    """A file response whose ETag is the content's SHA-256.

    aiohttp makes its ETag from the file's time, and reads If-Range as a date alone; so the conditions are judged
    here, and FileResponse sees a request without them.
    """

    def __init__(self, path: str, sha256: str) -> None:
        super().__init__(path, headers={"Cache-Control": "public, max-age=31536000, immutable"})
        self.content_type = "application/octet-stream"
        self.sha256 = sha256

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """The head is sent, and the body with it."""
        headers = CIMultiDict(request.headers)
        if hdrs.IF_RANGE in headers and headers[hdrs.IF_RANGE] != f'"{self.sha256}"':
            headers.popall(hdrs.RANGE, None)
        for name in _CONDITIONS:
            headers.popall(name, None)
        headers.popall(hdrs.ACCEPT_ENCODING, None)
        return await super().prepare(request.clone(headers=headers))


async def tag_artifact(request: web.Request, response: web.StreamResponse) -> None:
    """The ETag of an artifact is its SHA-256, in every answer that aiohttp makes of it."""
    if isinstance(response, ArtifactResponse):
        response.etag = response.sha256


async def transfer(request: web.Request) -> web.StreamResponse:
    """The file, or the range that was asked for. 403: the link is altered or expired. 404: it is gone."""
    services = request.app[SERVICES]
    sha256 = request.match_info["sha256"]
    query = request.query
    if not _SHA256.fullmatch(sha256) or not links.allows(
        services.link_key, sha256, query.get("expires", ""), query.get("key", ""), services.now_s()
    ):
        raise Forbidden("the link is altered or expired; check in again for another")
    path = services.artifacts.path(sha256)
    if not path.is_file():
        raise NotFound("the file is gone; check in again for another")
    if _is_known(request.if_none_match, sha256):
        return web.Response(status=304, headers={hdrs.ETAG: f'"{sha256}"'})
    if request.if_match is not None and not _is_known(request.if_match, sha256):
        raise web.HTTPPreconditionFailed
    return ArtifactResponse(str(path), sha256)


def _is_known(tags: tuple[ETag, ...] | None, sha256: str) -> bool:
    return tags is not None and any(tag.value in (sha256, "*") for tag in tags)
