"""/api/v1/audit: who changed what."""

from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, Field

from twinslot_host.domain.dates import date
from twinslot_host.handlers.bodies import Page
from twinslot_host.handlers.routes import Call, Routes, answer
from twinslot_host.handlers.views import Date, Listed
from twinslot_host.store import audit

ROUTES = Routes("Audit", "/api/v1/audit")

Word = Annotated[str, Field(min_length=1, max_length=300)]


class AuditQuery(Page):
    """Which lines are wanted; `subject` is such as `group:ID`, `actor` such as `user:NAME`."""

    subject: Word | None = None
    actor: Word | None = None


class AuditLine(BaseModel):
    """A change, and who made it."""

    at: Date
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, row: audit.Line) -> "AuditLine":
        """The change as it is shown."""
        return cls(at=date(row.at_ms), actor=row.actor, action=row.action, subject=row.subject, detail=row.detail)


@ROUTES.add("GET", "", scope="audit:read", query=AuditQuery, answers={200: Listed[AuditLine]})
async def list_all(call: Call) -> web.Response:
    """The account's changes, the newest first; they outlive what they changed."""
    query, db = call.query(AuditQuery), call.services.database.reader
    wanted = audit.Wanted(query.subject, query.actor)
    rows = await audit.page(db, call.account, wanted, query.offset, query.limit)
    total = await audit.count(db, call.account, wanted)
    return answer(Listed[AuditLine](items=[AuditLine.of(row) for row in rows], total=total))
