"""/api/v1/users."""

from aiohttp import web
from pydantic import BaseModel

from twinslot_host.domain.dates import date
from twinslot_host.domain.names import checked_name
from twinslot_host.flows import users as flow
from twinslot_host.handlers.bodies import Body, Page, may_be_left_out
from twinslot_host.handlers.routes import Call, Routes, answer, no_content
from twinslot_host.handlers.views import Date, Listed
from twinslot_host.store import users

ROUTES = Routes("Users", "/api/v1/users")


class UserBody(Body):
    """A new user."""

    name: str
    password: str
    scopes: list[str]


class UserChange(Body):
    """What is new of a user; the rest stays."""

    password: str = may_be_left_out()
    scopes: list[str] = may_be_left_out()


class User(BaseModel):
    """A user: the password stays out."""

    id: str
    name: str
    scopes: list[str]
    created_at: Date

    @classmethod
    def of(cls, row: users.User) -> "User":
        """The user as it is shown."""
        return cls(id=row.id, name=row.name, scopes=list(row.scopes), created_at=date(row.created_at_ms))


@ROUTES.add("POST", "", scope="user:update", body=UserBody, answers={201: User}, errors=(409, 429))
async def create(call: Call) -> web.Response:
    """A user is made, with scopes that the caller has too."""
    body = call.json(UserBody)
    name = checked_name("name", body.name)
    user = await flow.create(call.services, call.caller, name, body.password, body.scopes)
    return answer(User.of(user), 201)


@ROUTES.add("GET", "", scope="user:read", query=Page, answers={200: Listed[User]})
async def list_all(call: Call) -> web.Response:
    """The account's users by name."""
    page, db = call.query(Page), call.services.database.reader
    rows = await users.page(db, call.account, page.offset, page.limit)
    return answer(Listed[User](items=[User.of(row) for row in rows], total=await users.count(db, call.account)))


@ROUTES.add("GET", "/{id}", scope="user:read", answers={200: User}, errors=(404,))
async def show(call: Call) -> web.Response:
    """A user."""
    return answer(User.of(await flow.of_account(call.services.database.reader, call.account, call.part("id"))))


@ROUTES.add("PATCH", "/{id}", scope="user:update", body=UserChange, answers={200: User}, errors=(404, 409, 429))
async def update(call: Call) -> web.Response:
    """A user has another password or other scopes; after a new password its tokens are good no more."""
    given = call.json(UserChange).model_dump(exclude_unset=True)
    change = flow.Change(given.get("scopes"), given.get("password"))
    return answer(User.of(await flow.update(call.services, call.caller, call.part("id"), change)))


@ROUTES.add("DELETE", "/{id}", scope="user:update", answers={204: None}, errors=(404, 409))
async def delete(call: Call) -> web.Response:
    """A user and its tokens are good for nothing any more."""
    await flow.delete(call.services, call.caller, call.part("id"))
    return no_content()
