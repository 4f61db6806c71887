"""The board's configuration, `/twinslot.json`, as provisioning wrote it. An update never touches it."""

import json
from binascii import a2b_base64, unhexlify

from .errors import ConfigError

PATH = "/twinslot.json"
_REQUIRED = ("server", "group", "device", "key", "app", "version", "trusted")
_WAIT_MAX_S = 300  # docs/protocol.md


class Config:
    """`server` is a base address; `key` and `trusted` are bytes; `wifi` is None or {"ssid", "password"}; `ca` is None
    or the path of a PEM file; `trial_s` is how long a new image may take to prove itself; `poll_s` replaces the
    server's figure unless 0; `wait_s` is how long the server may hold a check-in open; `clock_s`, Unix seconds, is what
    the clock is never behind; `allow_exec` and `allow_packages` say what an operation may do."""

    def __init__(self, fields: dict) -> None:
        for name in _REQUIRED:
            if name not in fields:
                raise ConfigError("{}: {} is missing; provision the board again".format(PATH, name))
        try:
            self.server: str = fields["server"].rstrip("/")
            self.group: str = fields["group"]
            self.device: str = fields["device"]
            self.key: bytes = unhexlify(fields["key"])
            self.app: str = fields["app"]
            self.version: str = fields["version"]
            self.trusted: "list[bytes]" = [a2b_base64(key) for key in fields["trusted"]]
            self.wait_s: int = max(0, min(_WAIT_MAX_S, int(fields.get("wait_s", 0))))
            self.clock_s: int = int(fields.get("clock_s", 0))
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError("{}: {}; provision the board again".format(PATH, error))
        self.wifi: "dict | None" = fields.get("wifi")
        self.ca: "str | None" = fields.get("ca")
        self.trial_s: int = fields.get("trial_s", 300)
        self.poll_s: int = fields.get("poll_s", 0)
        self.allow_exec: bool = fields.get("allow_exec") is True
        self.allow_packages: bool = fields.get("allow_packages") is True


def load() -> Config:
    """The configuration on the board. Raises ConfigError when there is none that can be used."""
    try:
        with open(PATH) as file:
            return Config(json.load(file))
    except OSError:
        raise ConfigError("{} is missing; provision the board".format(PATH))
    except ValueError:
        raise ConfigError("{} is not JSON; provision the board again".format(PATH))
