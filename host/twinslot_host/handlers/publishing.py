"""POST /api/v1/applications/{app}/releases: an image or a bundle, a specification or both become a release, part by
part."""

import base64
import binascii

from aiohttp import BodyPartReader, web
from pydantic import BaseModel, JsonValue

from twinslot_host.artifacts import receive
from twinslot_host.config import API_BODY_LIMIT_BYTES
from twinslot_host.domain import json_values
from twinslot_host.domain.json_values import SPECIFICATION_LIMIT_BYTES
from twinslot_host.domain.names import checked_name
from twinslot_host.domain.release import Release, Strategy
from twinslot_host.domain.versions import checked_version
from twinslot_host.errors import Invalid
from twinslot_host.flows.publish import Draft, check_early, publish
from twinslot_host.flows.steps import Fields
from twinslot_host.handlers import multipart, releases
from twinslot_host.handlers.bodies import Body, may_be_left_out, parsed
from twinslot_host.handlers.multipart import Parts
from twinslot_host.handlers.releases import Aims, checked_metadata, checked_versions, targeting
from twinslot_host.handlers.routes import MULTIPART, Call, Routes, answer

ROUTES = Routes("Releases", "/api/v1/applications/{app}/releases")


class ReleaseBody(Body):
    """What the publisher says of the release."""

    version: str
    strategy: Strategy = "general"
    upgradable_from: list[str] | None = None
    filters: Aims = []
    metadata: JsonValue = None
    manifest: str | None = None
    signature: str | None = None


class ReleaseForm(BaseModel):
    """The parts of a release, in this order; a specification, an image, or both. In the place of the image a bundle's
    `.tar.gz` is taken.

    The specification's bytes are kept as they come: they are what is signed, and what devices get.
    """

    release: ReleaseBody
    specification: JsonValue = may_be_left_out()
    image: bytes = may_be_left_out()


@ROUTES.add(
    "POST",
    "",
    scope="application:software:update",
    body=ReleaseForm,
    media=MULTIPART,
    answers={201: releases.Release},
    errors=(409,),
)
async def create(call: Call) -> web.Response:
    """A release is published: it is signed, and on disk."""
    app = checked_name("application", call.part("app"))
    parts = await Parts.of(call.request)
    part = await parts.next()
    if part is None or part.name != "release":
        raise _misplaced()
    draft = _draft(app, await multipart.text(part, API_BODY_LIMIT_BYTES))
    await check_early(call.services, call.caller, draft)
    part, specification = await parts.next(), None
    if part is not None and part.name == "specification":
        specification = await _specification(part)
        part = await parts.next()
    if part is None and specification is not None:
        return _published(app, await publish(call.services, call.caller, draft, specification, None))
    if part is None or part.name != "image":
        raise _misplaced()
    with call.services.artifacts.temporary() as path:
        incoming = await receive(path, multipart.chunks(part))
        if await parts.next() is not None:
            raise Invalid("a part follows `image`, which is the last")
        return _published(app, await publish(call.services, call.caller, draft, specification, incoming))


def _published(app: str, release: Release) -> web.Response:
    return answer(releases.Release.of(app, release), 201)


def _misplaced() -> Invalid:
    return Invalid(
        "the part `release` is missing, or what follows it: the parts are `release`, then `specification`, `image` or"
        " both in this order"
    )


async def _specification(part: BodyPartReader) -> bytes:
    data = await multipart.text(part, API_BODY_LIMIT_BYTES)
    return json_values.checked_bytes("specification", data, SPECIFICATION_LIMIT_BYTES)


def _draft(app: str, text: bytes) -> Draft:
    body = parsed(ReleaseBody, text)
    if (body.manifest is None) != (body.signature is None):
        raise Invalid("manifest and signature belong together: send both, or neither for the server to sign")
    fields = Fields(
        strategy=body.strategy,
        upgradable_from=checked_versions(body.upgradable_from),
        filters=targeting(body.filters),
        metadata=checked_metadata(body.metadata),
        waits_for_file=False,
    )
    return Draft(
        app=app,
        version=checked_version("version", body.version),
        fields=fields,
        manifest=_decoded("manifest", body.manifest),
        signature=_decoded("signature", body.signature),
    )


def _decoded(what: str, text: str | None) -> bytes | None:
    try:
        return None if text is None else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(f"{what}: not base64") from None
