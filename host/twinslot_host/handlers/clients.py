"""/api/v1/clients: programs that get tokens at /oauth/token."""

from aiohttp import web
from pydantic import BaseModel

from twinslot_host.domain.dates import date
from twinslot_host.domain.names import checked_name
from twinslot_host.flows import clients as flow
from twinslot_host.handlers.bodies import Body, Page
from twinslot_host.handlers.routes import NO_STORE, Call, Routes, answer, no_content
from twinslot_host.handlers.views import Date, Listed
from twinslot_host.store import clients

ROUTES = Routes("API clients", "/api/v1/clients")


class ClientBody(Body):
    """A new client."""

    name: str
    scopes: list[str]


class Client(BaseModel):
    """A client: its secret stays out."""

    id: str
    name: str
    scopes: list[str]
    created_at: Date

    @classmethod
    def of(cls, row: clients.Client) -> "Client":
        """The client as it is shown."""
        return cls(id=row.id, name=row.name, scopes=list(row.scopes), created_at=date(row.created_at_ms))


class NewClient(Client):
    """A client as its creator sees it, once."""

    secret: str

    @classmethod
    def shown_once(cls, row: clients.Client, secret: str) -> "NewClient":
        """The client with its secret."""
        return cls(**vars(Client.of(row)), secret=secret)


@ROUTES.add("POST", "", scope="client:update", body=ClientBody, answers={201: NewClient}, errors=(409,))
async def create(call: Call) -> web.Response:
    """A client is made, with scopes that the caller has too; its secret is shown this once."""
    body = call.json(ClientBody)
    client, secret = await flow.create(call.services, call.caller, checked_name("name", body.name), body.scopes)
    return answer(NewClient.shown_once(client, secret), 201, NO_STORE)


@ROUTES.add("GET", "", scope="client:read", query=Page, answers={200: Listed[Client]})
async def list_all(call: Call) -> web.Response:
    """The account's clients by name."""
    page, db = call.query(Page), call.services.database.reader
    rows = await clients.page(db, call.account, page.offset, page.limit)
    return answer(Listed[Client](items=[Client.of(row) for row in rows], total=await clients.count(db, call.account)))


@ROUTES.add("GET", "/{id}", scope="client:read", answers={200: Client}, errors=(404,))
async def show(call: Call) -> web.Response:
    """A client."""
    return answer(Client.of(await flow.of_account(call.services.database.reader, call.account, call.part("id"))))


@ROUTES.add("DELETE", "/{id}", scope="client:update", answers={204: None}, errors=(404,))
async def delete(call: Call) -> web.Response:
    """A client and its tokens are good for nothing any more."""
    await flow.delete(call.services, call.caller, call.part("id"))
    return no_content()
