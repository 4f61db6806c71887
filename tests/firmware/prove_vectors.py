"""Runs the wire examples through the device package; on MicroPython as on CPython. Prints a JSON document.

Arguments: the folder that holds the package, the folder of the vectors, and optionally Wycheproof's RSA file.
The package's own `__init__` needs a chip, so an empty one stands in for it.
"""

import asyncio
import json
import sys
from binascii import a2b_base64, hexlify, unhexlify

if sys.implementation.name == "cpython":
    import stand_ins

    stand_ins.install()
    package = type(sys)("twinslot")
    package.__path__ = [sys.argv[1] + "/twinslot"]
else:
    package = type("twinslot", (), {"__path__": sys.argv[1] + "/twinslot"})
sys.modules["twinslot"] = package

from findings import expect, proven, wrong

import twinslot.auth as auth
import twinslot.listing as listing
import twinslot.manifest as manifest
import twinslot.otadata as otadata
import twinslot.rsa as rsa
from twinslot.errors import Refused, TransferError, Unreachable


def vectors(name):
    with open("{}/{}.json".format(sys.argv[2], name)) as file:
        return json.load(file)


def prove_auth(case):
    key = unhexlify(case["device_key"])
    expect("device key", auth.hmac_sha256(case["token"].encode(), case["device"].encode()), key)
    session = auth.Session(case["group"], case["device"], key)
    session._nonce, session._seq = case["nonce"], case["seq"] - 1
    header, mac = session.sign(case["method"], case["path"], unhexlify(case["body"]), unhexlify(case["cnonce"]))
    expect("request mac", mac, case["request_mac"])
    fields = auth.parse_fields(header.split(" ", 1)[1])
    for name in ("group", "device", "nonce", "cnonce"):
        expect(name, fields[name], case[name])
    expect("seq", fields["seq"], str(case["seq"]))
    answer = case["answer"]
    info = 'nonce="{}", time="{}", poll="{}", mac="{}"'.format(
        answer["nonce"], answer["time"], answer["poll"], case["response_mac"]
    )
    body = unhexlify(answer["body"])
    for altered_info, altered_mac, altered_status, altered_body in (
        (info.replace('poll="30"', 'poll="31"'), mac, case["status"], body),
        (info.replace(answer["nonce"], "0"), mac, case["status"], body),
        (info, mac[:-1] + ("0" if mac[-1] != "0" else "1"), case["status"], body),
        (info, mac, case["status"] + 1, body),
        (info, mac, case["status"], body + b"x"),
        (info.split(", mac")[0], mac, case["status"], body),
        ("", mac, case["status"], body),
    ):
        try:
            session.verify(altered_mac, altered_status, altered_info, altered_body)
            expect("altered answer", "taken", "refused")
        except Unreachable:
            expect("nonce kept", session._nonce, case["nonce"])
    expect("answer", session.verify(mac, case["status"], info, body), (answer["time"], answer["poll"]))
    expect("next nonce", (session._nonce, session._seq), (answer["nonce"], 0))


def prove_manifest(cases):
    for case in cases["good"]:
        m, f = manifest.Manifest(unhexlify(case["bytes"])), case["fields"]
        actual = (m.app, m.version, m.sequence, m.security, m.chip, m.size, hexlify(m.sha256).decode())
        names = ("app", "version", "sequence", "security_version", "chip", "size", "sha256")
        expect("manifest", actual, tuple(f[name] for name in names))
    for case in cases["bad"]:
        try:
            manifest.Manifest(unhexlify(case["bytes"]))
            expect(case["why"], "taken", "refused")
        except Refused as refused:
            expect(case["why"], refused.reason, "format")


def prove_keys(cases):
    for case in cases:
        m, f = manifest.Manifest(unhexlify(case["bytes"])), case["fields"]
        actual = (m.kind, m.version, m.specification_size, [hexlify(each).decode() for each in m.added + m.retired])
        expected = (f["kind"], f["version"], f.get("specification_size", 0), f["added"] + f["retired"])
        expect("keys", actual, expected)
        expect("keys added", len(m.added), len(f["added"]))


def prove_specification(cases):
    prove_manifest(cases)
    for case in cases["good"]:
        m, f = manifest.Manifest(unhexlify(case["bytes"])), case["fields"]
        actual = (m.kind, m.specification_size, hexlify(m.specification_sha256).decode())
        expect("specification", actual, (f["kind"], f["specification_size"], f["specification_sha256"]))
    for case in cases["offers"]:
        offer = case["offer"]
        m = manifest.Manifest(a2b_base64(offer["manifest"]))
        expect(case["why"], m.names(a2b_base64(offer["specification"])), case["taken"])


def prove_bundles(cases):
    for case in cases["good"]:
        listed = listing.Listing(unhexlify(case["list"]))
        found = [(listed.path(n), listed.size(n), listed.find(listed.path(n))) for n in range(listed.count)]
        files = [(each["path"], len(each["content"]) // 2, n) for n, each in enumerate(case["files"])]
        expect(case["why"], found, files)
        expect("a path that is not there", listed.find("nowhere"), -1)
    for case in cases["bad_lists"]:
        try:
            listing.Listing(unhexlify(case["list"]))
            expect(case["why"], "taken", "refused")
        except TransferError:
            expect(case["why"], "refused", "refused")
    for case in cases["manifests"]:
        m, f = manifest.Manifest(unhexlify(case["bytes"])), case["fields"]
        actual = (m.kind, m.chip, m.security, m.size, hexlify(m.sha256).decode(), m.mpy)
        names = ("kind", "chip", "security_version", "size", "sha256", "mpy")
        expect("bundle", actual, tuple(f[name] for name in names))
        expect("with a specification", m.specification_size, f.get("specification_size", 0))
        expect("MicroPython", m.micropython, tuple(f["micropython"]))
    prove_manifest({"good": [], "bad": cases["bad_manifests"]})
    for case in cases["formats"]:
        expect(case["why"], manifest.loads_mpy(case["board"], case["bundle"]), case["fits"])


def prove_signature(case):
    modulus, message = a2b_base64(case["modulus"]), unhexlify(case["message"])
    expect("signature", asyncio.run(rsa.verify(modulus, message, unhexlify(case["good"]))), True)
    for bad in case["bad"]:
        expect(bad["why"], asyncio.run(rsa.verify(modulus, message, unhexlify(bad["signature"]))), False)


def prove_otadata(case):
    states = otadata.slot_states(unhexlify(case["first"]), unhexlify(case["second"]))
    expect(case["why"], states, case["slot_states"])


def prove_wycheproof(path):
    with open(path) as file:
        groups = json.load(file)["testGroups"]
    for group in groups:
        modulus = unhexlify(group["publicKey"]["modulus"])
        modulus = modulus[1:] if len(modulus) == 385 and modulus[0] == 0 else modulus
        exponent = int(group["publicKey"]["publicExponent"], 16)
        for test in group["tests"]:
            taken = asyncio.run(rsa.verify(modulus, unhexlify(test["msg"]), unhexlify(test["sig"]), exponent))
            expect("wycheproof {}".format(test["tcId"]), taken, test["result"] == "valid")


for one in vectors("auth")["cases"]:
    prove_auth(one)
prove_manifest(vectors("manifest"))
prove_keys(vectors("manifest")["with_keys"])
prove_specification(vectors("specification"))
prove_bundles(vectors("bundles"))
prove_signature(vectors("signature"))
for one in vectors("otadata")["cases"]:
    prove_otadata(one)
if len(sys.argv) > 3:
    prove_wycheproof(sys.argv[3])
print(json.dumps({"proven": len(proven), "wrong": wrong}))
