"""The commands against a real server."""

import json
import os
import stat
import subprocess
import sys

import pytest

from twinslot_sim.applications import app_image


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "kettle.app-bin"
    path.write_bytes(app_image("kettle", "1.1.0", size_bytes=50_000))
    return path


def test_group_is_made_and_listed(twinslot, signed_in) -> None:
    made = twinslot("group", "create", "listed", "--app", "lamp", "--json").document
    listed = twinslot("group", "list", "--json").document
    assert made["app"] == "lamp" and len(made["id"]) == 24 and len(made["token"]) >= 16
    assert made["id"] in [group["id"] for group in listed["items"]]
    assert made["token"] not in json.dumps(listed)


def test_tables_show_what_json_holds(twinslot, signed_in) -> None:
    made = twinslot("group", "create", "for people", "--app", "lamp")
    assert made.code == 0
    listed = twinslot("group", "list")
    assert "for people" in listed.out and "lamp" in listed.out


def test_name_that_is_taken_exits_4(twinslot, signed_in) -> None:
    twinslot("group", "create", "twice", "--app", "lamp")
    result = twinslot("group", "create", "twice", "--app", "lamp", "--json")
    assert (result.code, result.out) == (4, "")
    assert "twice" in result.err


def test_wrong_token_exits_4_and_is_not_shown(twinslot, signed_in, monkeypatch) -> None:
    monkeypatch.setenv("TWINSLOT_TOKEN", "not-a-token")
    result = twinslot("group", "list")
    assert (result.code, result.out) == (4, "")
    assert "twinslot token" in result.err and "not-a-token" not in result.err


@pytest.mark.parametrize("command", [("device", "show"), ("explain",)])
def test_unknown_device_exits_4(twinslot, signed_in, command) -> None:
    result = twinslot(*command, "nobody/knows me", "--json")
    assert (result.code, result.out) == (4, "")


def test_release_signed_here_is_accepted_and_served_signed(twinslot, signed_in, publisher, image) -> None:
    twinslot("group", "create", "own key", "--app", "kettle", "--trust", "publisher", "--key", f"{publisher}.pub")
    published = twinslot("publish", image, "--app", "kettle", "--version", "1.1.0", "--key", publisher, "--json")
    release = published.document
    assert (release["version"], release["size"], release["chip"]) == ("1.1.0", image.stat().st_size, 0)
    assert release["signed_by"] != "server"
    again = twinslot("publish", image, "--app", "kettle", "--version", "1.1.1", "--key", publisher, "--json")
    assert again.document["sequence"] > release["sequence"]


def test_release_without_a_key_is_signed_by_the_server(twinslot, signed_in, image) -> None:
    twinslot("group", "create", "server key", "--app", "toaster")
    arguments = ("--app", "toaster", "--version", "2.0.0", "--strategy", "suspended", "--upgradable-from", "1.0.0")
    release = twinslot("publish", image, *arguments, "--json").document
    assert (release["signed_by"], release["strategy"], release["upgradable_from"]) == ("server", "suspended", ["1.0.0"])


@pytest.mark.parametrize("with_image", [False, True])
@pytest.mark.parametrize("signed_here", [False, True])
def test_specification_is_published_alone_and_with_an_image(
    twinslot, signed_in, image, publisher, tmp_path, with_image, signed_here
) -> None:
    app = f"urn-{with_image}-{signed_here}"
    trust = ("--trust", "publisher", "--key", f"{publisher}.pub") if signed_here else ()
    assert twinslot("group", "create", app, "--app", app, *trust).code == 0
    (tmp_path / "boil.json").write_text('{"boil": 90}')
    what = ((image,) if with_image else ()) + ("--specification", tmp_path / "boil.json")
    key = ("--key", publisher) if signed_here else ()
    release = twinslot("publish", *what, "--app", app, "--version", "1.1.0", *key, "--json").document
    assert (release["specification"], release["signed_by"] == "server") == ({"boil": 90}, not signed_here)
    assert release["size"] == (image.stat().st_size if with_image else None)


def test_release_is_published_with_the_filters_that_are_given_and_nothing_else_of_it(
    twinslot, signed_in, image
) -> None:
    twinslot("group", "create", "aimed", "--app", "blender")
    ids = [twinslot("filter", "create", name, "--json").document["id"] for name in ("first", "second")]
    both = [part for each in ids for part in ("--filter", each)]
    release = twinslot("publish", image, "--app", "blender", "--version", "1.0.0", *both, "--json").document
    assert (release["strategy"], [each["filter"] for each in release["filters"]]) == ("general", ids)
    unknown = twinslot("publish", image, "--app", "blender", "--version", "1.0.1", "--filter", "nobody", "--json")
    assert (unknown.code, unknown.out, "nobody" in unknown.err) == (4, "", True)


@pytest.mark.parametrize(
    ("strategy", "with_filter", "said"),
    [
        ("targeted", False, "It reaches nobody yet"),
        ("targeted", True, ""),
        ("general", True, "It goes out to every device"),
        ("general", False, ""),
        ("suspended", False, ""),
    ],
)
def test_release_that_reaches_others_than_it_seems_to_is_remarked_on(
    twinslot, signed_in, image, strategy, with_filter, said
) -> None:
    app = f"fan-{strategy}-{with_filter}"
    twinslot("group", "create", app, "--app", app)
    filters = ("--filter", twinslot("filter", "create", app, "--json").document["id"]) if with_filter else ()
    published = twinslot("publish", image, "--app", app, "--version", "1.0.0", "--strategy", strategy, *filters)
    table, _, after = published.out.rpartition("\u2518\n")
    assert (published.code, bool(table), after.startswith(said), bool(after)) == (0, True, True, bool(said))


def test_key_that_no_group_trusts_exits_4(twinslot, signed_in, image, publisher, tmp_path) -> None:
    twinslot("group", "create", "strict", "--app", "oven", "--trust", "publisher", "--key", f"{publisher}.pub")
    twinslot("keygen", "--out", tmp_path / "stranger.pem")
    arguments = ("--app", "oven", "--version", "1.1.0")
    stranger = twinslot("publish", image, *arguments, "--key", tmp_path / "stranger.pem")
    unsigned = twinslot("publish", image, *arguments)
    assert (stranger.code, unsigned.code) == (4, 4)
    assert twinslot("publish", image, *arguments, "--key", publisher).code == 0


@pytest.mark.parametrize("damage", ["garbage", "flipped", "cut", "padded"])
def test_what_is_no_whole_image_exits_3_and_is_never_sent(twinslot, signed_in, image, damage) -> None:
    app = f"grill-{damage}"
    twinslot("group", "create", damage, "--app", app)
    whole = image.read_bytes()
    damaged = {
        "garbage": os.urandom(20_000),
        "flipped": whole[:9000] + bytes([whole[9000] ^ 1]) + whole[9001:],
        "cut": whole[:-5],
        "padded": whole + bytes(16),
    }
    image.write_bytes(damaged[damage])
    # An address where nobody answers: had anything been sent, the exit code would be 4.
    arguments = ("--app", app, "--version", "1.0.0", "--server", "http://127.0.0.1:1", "--json")
    result = twinslot("publish", image, *arguments)
    assert (result.code, result.out) == (3, "")
    assert str(image) in result.err


def test_port_that_is_taken_exits_4(twinslot, server, tmp_path) -> None:
    port = server[0].rpartition(":")[2]
    result = twinslot("serve", "--data", tmp_path / "data", "--port", port)
    assert (result.code, result.out) == (4, "")
    assert port in result.err


def test_token_is_made_for_one_scope(twinslot, server) -> None:
    result = twinslot("token", "--data", server[1], "--scope", "group:read", "--ttl", "60", "--json")
    assert set(result.document) == {"token", "ttl"}
    assert twinslot("token", "--data", server[1], "--scope", "everything").code == 3


def test_second_server_on_the_same_data_is_refused(twinslot, server) -> None:
    result = twinslot("serve", "--data", server[1], "--port", "0")
    assert (result.code, result.out) == (4, "")
    assert str(server[1]) in result.err
    assert stat.S_IMODE((server[1] / "jwt.key").stat().st_mode) == 0o600


def test_tokens_of_a_group_are_made_listed_and_revoked(twinslot, signed_in) -> None:
    group = twinslot("group", "create", "tokens", "--app", "lamp", "--json").document
    made = twinslot("group", "token", group["id"], "--json").document
    assert made["token"] != group["token"]
    assert twinslot("group", "revoke", group["id"], made["id"], "--json").document["revoked"] == made["id"]
    listed = twinslot("group", "tokens", group["id"], "--json").document
    revoked = {each["id"]: each["revoked_at"] for each in listed["items"]}
    assert len(revoked) == 2 and revoked.pop(made["id"]) and list(revoked.values()) == [None]
    assert made["token"] not in json.dumps(listed)
    assert made["id"] in twinslot("group", "tokens", group["id"]).out
    assert twinslot("group", "revoke", group["id"], "nothing").code == 4


def test_server_says_where_it_listens_as_one_document(tmp_path) -> None:
    command = [sys.executable, "-m", "twinslot_tools", "serve", "--data", str(tmp_path / "data"), "--port", "0"]
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "}\n")
        address = json.loads("".join(lines) + "}")["listening"]
        assert address.startswith("http://127.0.0.1:")
        process.terminate()
        assert process.stdout.read() == ""
