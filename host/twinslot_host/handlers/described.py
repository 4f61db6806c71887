"""Every route that the OpenAPI document describes, in its order, and that description."""

from functools import cache

from twinslot_host.description import openapi
from twinslot_host.description.reference import Page, page
from twinslot_host.handlers import (
    accounts,
    applications,
    audit,
    clients,
    devices,
    events,
    everyware,
    filters,
    group_tokens,
    groups,
    health,
    iotaap,
    jobs,
    kaa,
    oauth,
    operations,
    packages,
    publishing,
    reference,
    releases,
    sessions,
    setup,
    socketxp,
    tags,
    users,
    workflows,
)

DESCRIBED = (
    groups.ROUTES,
    group_tokens.ROUTES,
    devices.ROUTES,
    tags.ROUTES,
    events.ROUTES,
    filters.ROUTES,
    applications.ROUTES,
    publishing.ROUTES,
    releases.ROUTES,
    workflows.ROUTES,
    jobs.ROUTES,
    operations.ROUTES,
    packages.ROUTES,
    kaa.ROUTES,
    iotaap.ROUTES,
    socketxp.ROUTES,
    everyware.ROUTES,
    oauth.ROUTES,
    sessions.ROUTES,
    users.ROUTES,
    clients.ROUTES,
    setup.ROUTES,
    accounts.ROUTES,
    audit.ROUTES,
    health.ROUTES,
    reference.ROUTES,
)


@cache
def description() -> tuple[openapi.Document, Page]:
    """The document, and the page made of it, once in a process's life."""
    document = openapi.document(DESCRIBED)
    return document, page(document)
