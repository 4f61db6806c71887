"""/api/v1/accounts: for the first account's tokens alone."""

from aiohttp import web
from pydantic import BaseModel

from twinslot_host.domain.dates import date
from twinslot_host.domain.names import checked_name
from twinslot_host.flows import accounts as flow
from twinslot_host.handlers.addresses import origin
from twinslot_host.handlers.bodies import Body, Page, may_be_left_out
from twinslot_host.handlers.routes import NO_STORE, Call, Routes, answer
from twinslot_host.handlers.views import Date, Listed
from twinslot_host.store import accounts

ROUTES = Routes("Accounts", "/api/v1/accounts")


class AccountBody(Body):
    """A new account."""

    name: str


class AccountChange(Body):
    """What is new of an account; the rest stays. `group_ota`: whether it may use IoTaaP's group OTA."""

    name: str = may_be_left_out()
    group_ota: bool = may_be_left_out()


class Account(BaseModel):
    """An account."""

    id: str
    name: str
    group_ota: bool
    created_at: Date

    @classmethod
    def of(cls, row: accounts.Account) -> "Account":
        """The account as it is shown."""
        return cls(id=row.id, name=row.name, group_ota=row.group_ota, created_at=date(row.created_at_ms))


class NewAccount(Account):
    """An account and the address that makes its first user, once; null when an external issuer says who comes in."""

    setup_link: str | None

    @classmethod
    def shown_once(cls, row: accounts.Account, here: str, path: str | None) -> "NewAccount":
        """The account with its set-up link, of that path on the server at `here`."""
        return cls(**vars(Account.of(row)), setup_link=None if path is None else f"{here}{path}")


@ROUTES.add("POST", "", scope="account:update", body=AccountBody, answers={201: NewAccount}, errors=(409,))
async def create(call: Call) -> web.Response:
    """An account is made; its set-up link is shown this once."""
    name = checked_name("name", call.json(AccountBody).name)
    here = origin(call.request)
    account, path = await flow.create(call.services, call.caller, name)
    return answer(NewAccount.shown_once(account, here, path), 201, NO_STORE)


@ROUTES.add("GET", "", scope="account:update", query=Page, answers={200: Listed[Account]})
async def list_all(call: Call) -> web.Response:
    """The server's accounts, the first one first."""
    page, db = call.query(Page), call.services.database.reader
    await flow.check_first(db, call.caller)
    items = [Account.of(row) for row in await accounts.page(db, page.offset, page.limit)]
    return answer(Listed[Account](items=items, total=await accounts.count(db)))


@ROUTES.add("PATCH", "/{id}", scope="account:update", body=AccountChange, answers={200: Account}, errors=(404, 409))
async def update(call: Call) -> web.Response:
    """An account has another name, or may use group OTA or not."""
    given = call.json(AccountChange).model_dump(exclude_unset=True)
    name = given.get("name")
    change = flow.Change(None if name is None else checked_name("name", name), given.get("group_ota"))
    return answer(Account.of(await flow.update(call.services, call.caller, call.part("id"), change)))


@ROUTES.add("POST", "/{id}/setup-link", scope="account:update", answers={201: NewAccount}, errors=(404, 409))
async def renew_link(call: Call) -> web.Response:
    """An account without a user has another set-up link, shown this once; the one before is void."""
    here = origin(call.request)
    account, path = await flow.renew_link(call.services, call.caller, call.part("id"))
    return answer(NewAccount.shown_once(account, here, path), 201, NO_STORE)
