"""What each route takes and answers, said once: the router, the checks and the OpenAPI document are made of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import hdrs, web
from pydantic import BaseModel

from twinslot_host.config import API_BODY_LIMIT_BYTES
from twinslot_host.domain.caller import Caller
from twinslot_host.errors import Forbidden, TwinslotError, WrongType
from twinslot_host.handlers.bearer import caller_of
from twinslot_host.handlers.bodies import Body, Query, parsed, parsed_query, read_limited
from twinslot_host.handlers.surfaces import OWN, Surface
from twinslot_host.services import SERVICES, Services

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # of an answer that holds a secret

AnyBody = TypeVar("AnyBody", bound=Body)
AnyQuery = TypeVar("AnyQuery", bound=Query)


@dataclass(frozen=True)
class Call:
    """One request, after its token and scope were found good and its JSON body, if it takes one, was read."""

    request: web.Request
    route: "Route"
    services: Services
    given_caller: Caller | None
    raw: bytes

    @property
    def caller(self) -> Caller:
        """Who calls. Only on routes with a scope."""
        assert self.given_caller is not None
        return self.given_caller

    @property
    def account(self) -> str:
        """Whose things the call is about."""
        return self.caller.account

    def part(self, name: str) -> str:
        """The part of the path that the route calls `name`, decoded."""
        return self.request.match_info[name]

    def json(self, model: type[AnyBody]) -> AnyBody:
        """The body. Raises Invalid naming the first field that is wrong."""
        assert model is self.route.body
        return parsed(model, self.raw)

    def query(self, model: type[AnyQuery]) -> AnyQuery:
        """The query. Raises Invalid naming the first parameter that is wrong."""
        assert model is self.route.query
        return parsed_query(model, self.request)


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Route:
    """`answers` holds the model of each good answer, None for one without a body; `errors` what else can come."""

    method: str
    path: str
    handler: Handler
    tag: str
    surface: Surface
    scope: str | None
    without_scope: type[TwinslotError]
    body: type[BaseModel] | None
    media: str
    query: type[Query] | None
    answers: Mapping[int, type[BaseModel] | None]
    answer_media: str
    errors: tuple[int, ...]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """The handler's answer; after a change, held check-ins of the caller's account are decided anew.

        Raises Unauthorized, the route's `without_scope`, WrongType, TooLarge or TooSlow.
        """
        caller, raw = None, b""
        if self.scope is not None:
            caller = await caller_of(request)
            if self.scope not in caller.scopes:
                raise self.without_scope(f"the token lacks the scope {self.scope}")
        if self.body is not None and self.media == JSON:
            _check_is_json(request)
            raw = await read_limited(request, API_BODY_LIMIT_BYTES)
        services = request.app[SERVICES]
        response = await self.handler(Call(request, self, services, caller, raw))
        if caller is not None and self.method != hdrs.METH_GET:
            services.held.mark(caller.account)
        return response


@dataclass
class Routes:
    """The routes of one part of a surface, in the order in which the reference shows them."""

    tag: str
    prefix: str
    surface: Surface = OWN
    all: list[Route] = field(default_factory=list)

    def add(
        self,
        method: str,
        path: str,
        *,
        scope: str | None,
        answers: Mapping[int, type[BaseModel] | None],
        answer_media: str = JSON,
        errors: tuple[int, ...] = (),
        body: type[BaseModel] | None = None,
        media: str = JSON,
        query: type[Query] | None = None,
        without_scope: type[TwinslotError] = Forbidden,
    ) -> Callable[[Handler], Handler]:
        """The decorated handler serves the route; its docstring's first line is the summary in the reference.

        `scope` is what the caller's token needs, None where no bearer token is asked for. 401 and 403 for it, and 400,
        408 and 413 for a body, need not be among `errors`.
        """

        def decorated(handler: Handler) -> Handler:
            self.all.append(
                Route(
                    method,
                    self.prefix + path,
                    handler,
                    self.tag,
                    self.surface,
                    scope,
                    without_scope,
                    body,
                    media,
                    query,
                    answers,
                    answer_media,
                    errors,
                )
            )
            return handler

        return decorated


def answer(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """The model as JSON; a field that was never set is left out."""
    return web.Response(
        status=status,
        body=model.model_dump_json(exclude_unset=True, by_alias=True).encode(),
        content_type=JSON,
        headers=headers,
    )


def no_content() -> web.Response:
    """204."""
    return web.Response(status=204)


def _check_is_json(request: web.Request) -> None:
    if hdrs.CONTENT_TYPE in request.headers and request.content_type != JSON:
        raise WrongType(f"the body must be {JSON}")
