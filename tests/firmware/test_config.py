"""The board's configuration: what is required, and what is said when it can't be used."""

import pytest

from twinslot.config import Config
from twinslot.errors import ConfigError

GOOD = {
    "server": "http://127.0.0.1:8080/",
    "group": "0" * 24,
    "device": "kettle-7",
    "key": "ab" * 32,
    "app": "kettle",
    "version": "1.0.0",
    "trusted": ["AAEC"],
}


def test_good_configuration_has_its_fields_and_defaults() -> None:
    config = Config(GOOD)
    assert (config.server, config.key, config.trusted) == ("http://127.0.0.1:8080", b"\xab" * 32, [b"\0\1\2"])
    assert (config.wifi, config.ca, config.trial_s, config.poll_s) == (None, None, 300, 0)
    assert (config.wait_s, config.clock_s, config.allow_exec, config.allow_packages) == (0, 0, False, False)


def test_optional_settings_are_each_their_own() -> None:
    config = Config({**GOOD, "wifi": {"ssid": "a", "password": "b"}, "ca": "/ca.pem", "trial_s": 7, "poll_s": 9})
    assert (config.wifi, config.ca, config.trial_s, config.poll_s) == ({"ssid": "a", "password": "b"}, "/ca.pem", 7, 9)


@pytest.mark.parametrize(
    ("said", "exec_allowed", "packages_allowed"),
    [(True, True, True), (False, False, False), ("yes", False, False), (1, False, False)],
)
def test_what_operations_may_do_is_allowed_by_true_alone(
    said: object, exec_allowed: bool, packages_allowed: bool
) -> None:
    config = Config({**GOOD, "allow_exec": said, "allow_packages": said})
    assert (config.allow_exec, config.allow_packages) == (exec_allowed, packages_allowed)


@pytest.mark.parametrize(("said", "used"), [(60, 60), (-1, 0), (301, 300)])
def test_wait_is_one_that_the_server_takes(said: int, used: int) -> None:
    assert Config({**GOOD, "wait_s": said}).wait_s == used


@pytest.mark.parametrize("missing", GOOD)
def test_missing_field_is_named(missing: str) -> None:
    with pytest.raises(ConfigError, match=missing):
        Config({name: value for name, value in GOOD.items() if name != missing})


@pytest.mark.parametrize(
    "bad",
    [
        {"key": "xyz"},
        {"key": 5},
        {"trusted": 5},
        {"trusted": [5]},
        {"server": None},
        {"wait_s": "x"},
        {"clock_s": None},
    ],
)
def test_unusable_value_is_a_configuration_error(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="provision"):
        Config({**GOOD, **bad})
