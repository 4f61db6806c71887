"""/api/v1/applications/{app}/releases/{version}."""

import json
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field, JsonValue

from twinslot_host.config import RELEASE_FILTERS_LIMIT
from twinslot_host.domain import json_values
from twinslot_host.domain import release as domain
from twinslot_host.domain.dates import at_ms, date, date_or_none
from twinslot_host.domain.json_values import METADATA_LIMIT_BYTES
from twinslot_host.domain.mpy import version_text
from twinslot_host.domain.names import checked_name
from twinslot_host.domain.release import Strategy, Targeting
from twinslot_host.domain.versions import checked_version
from twinslot_host.flows import software, steps
from twinslot_host.handlers.bodies import Body, GivenDate, may_be_left_out
from twinslot_host.handlers.routes import Call, Routes, answer, no_content
from twinslot_host.handlers.views import Date

ROUTES = Routes("Releases", "/api/v1/applications/{app}/releases")


class Aim(Body):
    """A filter that a `targeted` release goes out to: from `rollout_at` on, or at once."""

    filter: str
    rollout_at: GivenDate | None = None


Aims = Annotated[list[Aim], Field(max_length=RELEASE_FILTERS_LIMIT)]


class ReleaseChange(Body):
    """What is to be changed of a release; the fields that are left out stay as they are."""

    strategy: Strategy = may_be_left_out()
    upgradable_from: list[str] | None = may_be_left_out()
    filters: Aims = may_be_left_out()
    metadata: JsonValue = may_be_left_out()


class ShownAim(BaseModel):
    """A filter that the release goes out to when it is `targeted`, and from when; null: at once."""

    filter: str
    rollout_at: Date | None

    @classmethod
    def of(cls, row: Targeting) -> "ShownAim":
        """The filter as it is shown."""
        return cls(filter=row.filter_id, rollout_at=date_or_none(row.rollout_at_ms))


class Bundle(BaseModel):
    """What a manifest tells of a bundle: the size and SHA-256 of its list, the format of its `.mpy` files, 0 for any,
    and the oldest MicroPython, null for any."""

    sha256: str
    size: int
    mpy: int
    micropython: str | None

    @classmethod
    def of(cls, row: domain.BundleFacts) -> "Bundle":
        """The bundle as it is shown."""
        micropython = version_text(row.micropython) if any(row.micropython) else None
        return cls(sha256=row.sha256, size=row.size_bytes, mpy=row.mpy, micropython=micropython)


class Release(BaseModel):
    """A release.

    `sequence` is null until it is signed, what tells of its file until it has one. `specification` and `metadata` are
    left out where there is none. `chip` is null, too, of a bundle for any chip, `bundle` where the file is none.
    """

    app: str
    version: str
    sequence: int | None
    security_version: int | None
    sha256: str | None
    size: int | None
    chip: int | None
    bundle: Bundle | None
    signed_by: str
    strategy: Strategy
    upgradable_from: list[str] | None
    filters: list[ShownAim]
    file: str | None
    waits_for_file: bool
    created_at: Date
    specification: JsonValue = may_be_left_out()
    metadata: JsonValue = may_be_left_out()

    @classmethod
    def of(cls, app: str, row: domain.Release) -> "Release":
        """The release as it is shown."""
        file, there = row.file, {}
        if row.specification is not None:
            there["specification"] = json.loads(row.specification)
        if row.metadata is not None:
            there["metadata"] = json.loads(row.metadata)
        return cls(
            app=app,
            version=row.version,
            sequence=row.sequence,
            security_version=None if file is None else file.security_version,
            sha256=None if file is None else file.sha256,
            size=None if file is None else file.size_bytes,
            chip=None if file is None else file.chip,
            bundle=None if file is None or file.bundle is None else Bundle.of(file.bundle),
            signed_by=row.signed_by,
            strategy=row.strategy,
            upgradable_from=None if row.upgradable_from is None else list(row.upgradable_from),
            filters=[ShownAim.of(each) for each in row.filters],
            file=None if file is None else file.name,
            waits_for_file=row.waits_for_file or row.lost_file,
            created_at=date(row.created_at_ms),
            **there,
        )


@ROUTES.add("GET", "/{version}", scope="application:software:read", answers={200: Release}, errors=(404,))
async def show(call: Call) -> web.Response:
    """A release of an application."""
    db = call.services.database.reader
    application, release = await steps.find(db, call.account, *_named(call))
    return answer(Release.of(application.name, release))


@ROUTES.add(
    "PATCH",
    "/{version}",
    scope="application:software:update",
    body=ReleaseChange,
    answers={200: Release},
    errors=(404,),
)
async def change(call: Call) -> web.Response:
    """A release's rollout or metadata is changed; what devices get of it stays."""
    body = call.json(ReleaseChange)
    given: dict[str, object] = {}
    if "strategy" in body.model_fields_set:
        given["strategy"] = body.strategy
    if "upgradable_from" in body.model_fields_set:
        given["upgradable_from"] = checked_versions(body.upgradable_from)
    if "filters" in body.model_fields_set:
        given["filters"] = targeting(body.filters)
    if "metadata" in body.model_fields_set:
        given["metadata"] = checked_metadata(body.metadata)
    app, version = _named(call)
    return answer(Release.of(app, await software.change(call.services, call.caller, app, version, given)))


@ROUTES.add("DELETE", "/{version}", scope="application:software:delete", answers={204: None}, errors=(404, 409))
async def delete(call: Call) -> web.Response:
    """A release is gone, with its file, that no device runs or installs and no group is held at."""
    await software.delete(call.services, call.caller, *_named(call))
    return no_content()


def checked_versions(given: list[str] | None) -> list[str] | None:
    """The versions from which a release may be reached, each of them semver. Raises Invalid."""
    return None if given is None else [checked_version("upgradable_from", each) for each in given]


def targeting(given: list[Aim]) -> list[Targeting]:
    """The filters as a release has them."""
    return [Targeting(each.filter, None if each.rollout_at is None else at_ms(each.rollout_at)) for each in given]


def checked_metadata(given: JsonValue) -> str | None:
    """The metadata as a release has it; null is none. Raises Invalid."""
    return None if given is None else json_values.checked("metadata", given, METADATA_LIMIT_BYTES).decode()


def _named(call: Call) -> tuple[str, str]:
    return checked_name("application", call.part("app")), checked_version("version", call.part("version"))
