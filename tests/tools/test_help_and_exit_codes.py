"""What each command says of itself, and the exit codes that scripts rely on."""

from pathlib import Path

import pytest

SIM = ("sim", "--group", "g", "--token", "t", "--flash", "f")
COMMANDS = [
    ("serve",),
    ("token",),
    ("login",),
    ("logout",),
    ("keygen",),
    ("sign",),
    ("verify",),
    ("flash",),
    ("provision",),
    ("doctor",),
    ("monitor",),
    ("account", "create"),
    ("account", "list"),
    ("group", "create"),
    ("group", "list"),
    ("group", "show"),
    ("group", "update"),
    ("group", "delete"),
    ("group", "token"),
    ("group", "tokens"),
    ("group", "rotate"),
    ("group", "revoke"),
    ("device", "list"),
    ("device", "show"),
    ("device", "tag"),
    ("device", "set"),
    ("device", "move"),
    ("device", "delete"),
    ("filter", "create"),
    ("filter", "list"),
    ("filter", "update"),
    ("filter", "delete"),
    ("package", "upload"),
    ("package", "list"),
    ("package", "delete"),
    ("package", "install"),
    ("package", "uninstall"),
    ("package", "installed"),
    ("workflow", "create"),
    ("workflow", "list"),
    ("workflow", "show"),
    ("workflow", "delete"),
    ("job", "submit"),
    ("job", "list"),
    ("job", "show"),
    ("job", "cancel"),
    ("explain",),
    ("publish",),
    ("sim",),
    ("fleet",),
    ("image", "build"),
    ("image", "info"),
    ("transfer", "build"),
    ("transfer", "show"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_each_command_teaches_by_an_example(twinslot, command) -> None:
    result = twinslot(*command, "--help")
    words = " ".join(result.out.split())
    assert result.code == 0
    assert "twinslot " + " ".join(command) in words.partition("Example: ")[2]
    assert "--json" in words


@pytest.mark.parametrize(
    ("command", "default"),
    [
        (("token",), "all"),
        (("publish",), "the server signs"),
        (("publish",), "any"),
        (("sim",), "the group's application"),
        (("fleet",), "they are thrown away"),
        (("serve",), "8080"),
    ],
    ids=str,
)
def test_help_says_what_holds_without_an_option(twinslot, command, default) -> None:
    words = " ".join(twinslot(*command, "--help").out.replace("│", " ").split())
    assert f"[default: {default}]" in words


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("token",),
        ("token", "--data", "d", "--ttl", "315360001"),
        ("group", "create", "kitchen"),
        ("group", "create", "kitchen", "--app", "kettle", "--trust", "nobody"),
        ("group", "create", "kitchen", "--app", "kettle", "--trust", "publisher"),
        ("group", "create", "kitchen", "--app", "kettle", "--key", "publisher.pem.pub"),
        ("group", "create", "kitchen", "--app", "k" * 65),
        ("account", "create", "work/shop"),
        ("group", "list"),  # without TWINSLOT_TOKEN
        ("publish", __file__, "--app", "kettle", "--version", "one"),
        ("publish", "--app", "kettle", "--version", "1.0.0"),
        ("publish", __file__, "--app", "", "--version", "1.0.0"),
        ("image", "build", "--app", "kettle", "--version", "1.0.0", "--out", "x", "--mute", "--crashing"),
        ("image", "build", "--app", "kettle", "--version", "1.0", "--out", "x"),
        ("fleet", "--group", "g", "--token", "t", "--count", "0"),
        ("fleet", "--group", "g", "--token", "t", "--count", "1", "--prefix", "no/such/"),
        ("fleet", "--group", "g", "--token", "t", "--count", "1", "--until", "soon"),
        (*SIM, "--device", "b", "--until", "soon"),
        (*SIM, "--device", "b", "--poll", "86401"),
        (*SIM, "--device", "../b"),
        ("sim", "--group", 'g"', "--token", "t", "--device", "b", "--flash", "f"),
        ("sim", "--group", "g", "--token", "t\n", "--device", "b", "--flash", "f"),
        (*SIM, "--device", "b", "--app", ""),
        SIM,  # all of group, token and device, or none
        ("keygen", "--out", "."),
        ("sign", "--app", "kettle", "--version", "1.0.0", "--out", "m"),
        ("sign", __file__, "--app", "kettle", "--version", "one", "--out", "m"),
        ("sign", __file__, "--app", "kettle", "--version", "1.0.0", "--out", "m", "--sequence", "0"),
        ("publish", __file__, "--app", "kettle", "--version", "1.0.0", "--manifest", "m"),
        (
            "publish",
            __file__,
            "--app",
            "kettle",
            "--version",
            "1.0.0",
            "--manifest",
            "m",
            "--signature",
            "s",
            "--key",
            "k",
        ),
        ("publish", __file__, "--app", "kettle", "--version", "1.0.0", "--add-key", "k.pub"),
        ("keygen", "--out", ".."),
        ("keygen", "--out", ""),
        ("sign", __file__, "--app", "kettle", "--version", "1.0.0", "--out", "."),
        ("sign", __file__, "--app", "kettle", "--version", "1.0.0", "--out", ""),
        ("keygen", "--out", "/"),
        ("group", "create", "kit/chen", "--app", "kettle"),
        ("group", "create", "kitchen", "--app", ".."),
        ("group", "create", "kit\tchen", "--app", "kettle"),
        ("group", "create", "kitchen", "--app", "ü" * 33),
        ("group", "create", "kit\udcffchen", "--app", "kettle"),
        ("image", "build", "--app", "kettle", "--version", "1.0.0", "--out", "f\udcff"),
        ("group", "tokens", ".."),
        ("device", "show", "."),
        ("device", "delete", ".."),
        ("device", "set", "kettle-1", "room"),
        ("device", "set", "kettle-1", "=kitchen"),
        ("device", "tag", "kettle-1", "a/b"),
        ("device", "list", "--state", "asleep"),
        ("group", "update", "g"),
        ("group", "update", "g", "--name", "a/b"),
        ("group", "update", "g", "--poll", "0"),
        ("group", "update", "g", "--poll", "86401"),
        ("group", "update", "g", "--target", "soon"),
        ("group", "update", "g", "--target", "1.0.0", "--no-target"),
        ("group", "rotate", "g"),
        ("group", "rotate", "g", "--grace", "-1"),
        ("group", "rotate", "g", "--grace", "31536001"),
        ("filter", "create", "a/b"),
        ("filter", "create", "f", "--percentage", "101"),
        ("filter", "create", "f", "--percentage", "nan"),
        ("filter", "create", "f", "--attribute", "room"),
        ("filter", "create", "f", "--tag", ""),
        ("filter", "update", "f"),
        ("filter", "delete", "."),
        ("package", "delete", ".."),
        ("package", "install", "kettle-1", "http://x.example/x.py", "--version", "1"),
        ("package", "installed", "../b"),
        ("package", "installed", "kettle-1", "--timeout", "301"),
        ("workflow", "show", ".."),
        ("job", "submit"),
        ("job", "submit", "date"),
        ("job", "submit", "--device", "kettle-1"),
        ("job", "submit", "date", "--device", "kettle-1", "--tag", "kitchen"),
        ("job", "submit", "date", "--device", "kettle-1", "--workflow", "w"),
        ("job", "submit", "date", "--device", "kettle-1", "--timeout", "0"),
        ("job", "submit", "date", "--device", "kettle-1", "--timeout", "86401"),
        ("job", "cancel", "."),
    ],
    ids=lambda arguments: ascii(" ".join(arguments)),
)
def test_wrong_usage_exits_2_and_writes_nothing(twinslot, tmp_path, monkeypatch, arguments) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments != ("group", "list"):
        monkeypatch.setenv("TWINSLOT_TOKEN", "x")
    result = twinslot(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.strip()
    assert list(tmp_path.iterdir()) == []


def test_missing_token_is_explained(twinslot) -> None:
    assert "export TWINSLOT_TOKEN=" in twinslot("device", "list").err


def test_server_that_does_not_answer_exits_4_and_names_the_address(twinslot, monkeypatch) -> None:
    monkeypatch.setenv("TWINSLOT_TOKEN", "x")
    result = twinslot("device", "list", "--server", "http://127.0.0.1:1", "--json")
    assert (result.code, result.out) == (4, "")
    assert "http://127.0.0.1:1" in result.err and "TWINSLOT_SERVER" in result.err


@pytest.mark.parametrize(
    "address",
    [
        "nonsense",
        "http://",
        "ftp://127.0.0.1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:x",
        "http://[::1",
        "http://a b",
        "http://host/?q",
        "http://user@host",
        f"http://{'a' * 70}.example",
    ],
)
def test_address_that_is_none_exits_2_wherever_it_comes_from(twinslot, monkeypatch, address) -> None:
    monkeypatch.setenv("TWINSLOT_TOKEN", "x")
    result = twinslot("device", "list", "--server", address)
    assert (result.code, result.out) == (2, "")
    assert "Traceback" not in result.err and address in result.err
    monkeypatch.setenv("TWINSLOT_SERVER", address)
    assert twinslot("device", "list").code == 2


@pytest.mark.parametrize("token", ["to ken", "to\nken", "to\x1bken", "töken", "to\udcffken"])
def test_token_that_can_be_none_exits_2_and_is_not_shown(twinslot, monkeypatch, token) -> None:
    monkeypatch.setenv("TWINSLOT_TOKEN", token)
    result = twinslot("device", "list")
    assert (result.code, result.out) == (2, "")
    assert "TWINSLOT_TOKEN" in result.err and "ken holds" not in result.err.replace("TWINSLOT_TOKEN", "")
    assert token not in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("image", "info", "missing.bin"),
        ("image", "info", __file__),
        ("image", "build", "--app", "kettle", "--version", "1.0.0", "--out", "no/such/folder/x"),
        ("publish", "missing.bin", "--app", "kettle", "--version", "1.0.0"),
        ("publish", __file__, "--app", "kettle", "--version", "1.0.0", "--key", "missing.pem"),
        ("publish", "--specification", "missing.json", "--app", "kettle", "--version", "1.0.0"),
        ("publish", "--specification", __file__, "--app", "kettle", "--version", "1.0.0"),
        ("publish", __file__, "--app", "kettle", "--version", "1.0.0", "--key", __file__),
        ("group", "create", "k", "--app", "kettle", "--trust", "publisher", "--key", __file__),
        ("token", "--data", "no-such-folder"),
        ("sign", __file__, "--app", "kettle", "--version", "1.0.0", "--out", "m"),
        ("verify", "missing", "missing.sig", "--key", "missing.pem"),
        ("keygen", "--out", "no/such/folder/key.pem"),
    ],
    ids=lambda arguments: " ".join(Path(argument).name for argument in arguments),
)
def test_bad_file_exits_3_and_is_named(twinslot, tmp_path, monkeypatch, arguments) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWINSLOT_TOKEN", "x")
    result = twinslot(*arguments)
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith("twinslot: ") and "Traceback" not in result.err
    assert list(tmp_path.iterdir()) == []


def test_bug_exits_1_with_a_traceback(twinslot, monkeypatch, tmp_path) -> None:
    def broken(out: Path) -> Path:
        raise ZeroDivisionError

    monkeypatch.setattr("twinslot_tools.signing.make_key", broken)
    result = twinslot("keygen", "--out", tmp_path / "key.pem")
    assert (result.code, result.out) == (1, "")
    assert "ZeroDivisionError" in result.err and "bug" in result.err
