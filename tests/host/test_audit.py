"""The audit tells who changed what, and no secret."""

import json

import pytest

from .people import USER, second_account


def test_changes_are_audited_and_log_ins_are_not(site):
    before = site.api("GET", "/audit").json["total"]
    made = site.api("POST", "/users", USER | {"name": "audited"}).json
    site.log_in("audited")
    site.api("PATCH", f"/users/{made['id']}", {"scopes": ["device:read"], "password": "another password"})
    site.api("DELETE", f"/users/{made['id']}")
    subject = f"user:{made['id']}"
    page = site.api("GET", f"/audit?subject={subject}")
    assert [each["action"] for each in page.json["items"]] == ["user.delete", "user.update", "user.create"]
    assert {(each["actor"], each["subject"]) for each in page.json["items"]} == {("operator", subject)}
    assert page.json["total"] == 3 and site.api("GET", "/audit").json["total"] == before + 3
    assert b"another password" not in page.body and b"argon2" not in page.body
    assert site.api("GET", f"/audit?subject={subject}&limit=1&offset=2").json["items"] == page.json["items"][2:]


def test_audit_names_who_did_it(site, anna):
    secret = site.made["client"]["secret"]
    form = f"grant_type=client_credentials&client_id={site.made['client']['id']}&client_secret={secret}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    client = site.request("POST", "/oauth/token", form.encode(), headers).json["access_token"]
    for number, (bearer, actor) in enumerate(((anna, "user:anna"), (client, f"client:{site.made['client']['id']}"))):
        body = {"name": f"by-{number}", "scopes": ["group:read"]}
        made = site.say("POST", "/api/v1/clients", body, bearer).json
        lines = site.api("GET", f"/audit?actor={actor}&subject=client:{made['id']}").json["items"]
        assert [(each["actor"], each["action"]) for each in lines] == [(actor, "client.create")]
        assert secret not in json.dumps(lines)
        assert site.api("GET", f"/audit?actor=operator&subject=client:{made['id']}").json == {"items": [], "total": 0}
        site.api("DELETE", f"/clients/{made['id']}")


def test_refused_change_is_not_audited(site, otto):
    before = site.api("GET", "/audit").json["total"]
    site.api("POST", "/users", USER)
    site.api("DELETE", f"/users/{site.made['user']['id']}")
    site.api("PATCH", f"/users/{otto['id']}", {"scopes": ["device:read"]}, ["user:update"])
    assert site.api("GET", "/audit").json["total"] == before


def test_audit_of_another_account_is_not_shown(site):
    _, token = second_account(site, "auditor")
    lines = site.say("GET", "/api/v1/audit", bearer=token).json["items"]
    assert {each["actor"] for each in lines} == {"user:user of auditor"}


@pytest.mark.parametrize("query", ["subject=", "actor=", "limit=0", "x=1", "actor=a&actor=b"])
def test_wrong_query_of_the_audit_is_refused(site, query):
    assert site.api("GET", f"/audit?{query}").status == 400
