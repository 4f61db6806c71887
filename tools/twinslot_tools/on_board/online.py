# Whether the board reaches its server, asked with the agent's own code. Nothing is told that the server would keep.
# mypy: ignore-errors
# ruff: noqa: BLE001, UP032
import asyncio
import gc
import json
import socket
import sys

WIFI_S = 20
CONNECTION_S = 15


async def wifi(settings):
    from twinslot import hw

    for _ in range(WIFI_S):
        if hw.wifi_connected(settings["ssid"], settings["password"]):
            return ""
        await asyncio.sleep(1)
    hw.wifi_off()
    return "not connected within {} s".format(WIFI_S)


def reached(base):
    scheme, _, rest = base.partition("://")
    host, _, port = rest.partition(":")
    address = socket.getaddrinfo(host, int(port or (443 if scheme == "https" else 80)))[0][-1]
    probe = socket.socket()  # asyncio's returns before a connection is refused
    try:
        probe.settimeout(CONNECTION_S)
        probe.connect(address)
    finally:
        probe.close()


async def asked(config):
    from twinslot.server import Server

    server = Server(config)
    for _ in range(2):  # the first answer only brings a nonce
        status, _ = await server._authenticated("GET", "/device/v1/keys", b"", 0)
    if status != 200:
        raise ValueError("the server answered {}".format(status))


async def look(found):
    """`found` has what there is to know, a step each, empty when it went well; the first that fails is the last."""
    from twinslot import config
    from twinslot.clock import Clock

    settings = config.load()
    Clock(settings.clock_s if settings.ca else 0)
    found["board"] = {name: getattr(settings, name) for name in ("server", "group", "device", "app", "ca")}
    found["board"]["ssid"] = settings.wifi and settings.wifi["ssid"]
    found["config"] = ""
    if settings.wifi:
        found["wifi"] = "no answer of the radio"
        found["wifi"] = await wifi(settings.wifi)
        if found["wifi"]:
            return
    found["server"] = "no answer"
    reached(settings.server)
    found["server"] = ""
    found["key"] = "no answer"
    gc.collect()
    await asked(settings)
    found["key"] = ""


found = {"config": "can't be read"}
try:
    asyncio.run(look(found))
except Exception as error:
    for step in ("key", "server", "wifi", "config"):
        if found.get(step):
            found[step] = str(error) or type(error).__name__
            break
    else:
        sys.print_exception(error)
print()
print(json.dumps(found))
