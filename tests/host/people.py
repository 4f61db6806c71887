"""Users and accounts as tests make them."""

from .clients import PASSWORD, Server

USER = {"name": "otto", "password": PASSWORD, "scopes": ["group:read"]}


def second_account(server: Server, name: str) -> tuple[dict, str]:
    """A further account that is set up, and a token of its user."""
    made = server.api("POST", "/accounts", {"name": name})
    assert (made.status, made.json.keys()) == (201, {"id", "name", "group_ota", "created_at", "setup_link"})
    link = made.json["setup_link"]
    assert link.startswith(f"http://127.0.0.1:{server.port}/setup?token=")
    body = {"token": link.partition("token=")[2], "name": f"user of {name}", "password": PASSWORD}
    assert server.say("POST", "/api/v1/setup", body).status == 201
    assert server.say("POST", "/api/v1/setup", body | {"name": "again"}).status == 403
    return made.json, server.log_in(body["name"]).json["access_token"]
