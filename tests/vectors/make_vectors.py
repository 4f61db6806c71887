"""Writes the vectors beside it. The key in signature.json is kept, since a new one would change every signature."""

import base64
import hashlib
import hmac
import json
import struct
import zlib
from pathlib import Path

import make_bundle_vectors as bundle
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from make_transfer_vectors import transfer

HERE = Path(__file__).parent


def mac(key: bytes, lines: list[str]) -> str:
    return hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).hexdigest()


def auth() -> dict:
    cases = []
    for token, device, nonce, seq, method, path, body, status, answer in (
        ("0123456789abcdef", "kettle-7", "", 1, "POST", "/device/v1/check", b'{"app":"kettle"}', 401, b"{}"),
        ("x" * 80, "a:b_c.d-e", "65f0.00ff", 2, "GET", "/device/v1/keys", b"", 200, b'{"trusted":[]}'),
        ("tökén-with-utf8-ü", "Z" * 64, "f" * 64, 9999, "POST", "/device/v1/report", b"\x00\xff", 204, b""),
    ):
        key = hmac.new(token.encode(), device.encode(), hashlib.sha256).digest()
        cnonce = hashlib.sha256(device.encode()).hexdigest()[:32]
        request = ["twinslot-request-1", method, path, nonce, str(seq), cnonce, hashlib.sha256(body).hexdigest()]
        request_mac = mac(key, request)
        answered = {"nonce": "6a1b.22", "time": 1_790_000_000, "poll": 30}
        response = ["twinslot-response-1", str(status), request_mac, answered["nonce"], str(answered["time"])]
        response += [str(answered["poll"]), hashlib.sha256(answer).hexdigest()]
        cases.append(
            {
                "token": token,
                "group": "5e1b76bc4315b70eb242567a",
                "device": device,
                "device_key": key.hex(),
                "nonce": nonce,
                "seq": seq,
                "cnonce": cnonce,
                "method": method,
                "path": path,
                "body": body.hex(),
                "request_text": "\n".join(request),
                "request_mac": request_mac,
                "status": status,
                "answer": {**answered, "body": answer.hex()},
                "response_text": "\n".join(response),
                "response_mac": mac(key, response),
            }
        )
    return {"cases": cases}


def encoded(fields: dict) -> bytes:
    head = struct.pack(
        "<4sBBHIII32s",
        b"TWSM",
        1,
        0,
        fields["chip"],
        fields["sequence"],
        fields["security_version"],
        fields["size"],
        bytes.fromhex(fields["sha256"]),
    )
    app, version = fields["app"].encode(), fields["version"].encode()
    return head + bytes([len(app)]) + app + bytes([len(version)]) + version


KETTLE = {
    "app": "kettle",
    "version": "1.1.0",
    "sequence": 1_790_000_000,
    "security_version": 0,
    "chip": 0,
    "size": 1_500_000,
    "sha256": hashlib.sha256(b"kettle 1.1.0").hexdigest(),
}
LIMITS = {
    "app": "ä" * 32,
    "version": "1.0.0-" + "a" * 58,
    "sequence": 0xFFFFFFFF,
    "security_version": 0xFFFFFFFF,
    "chip": 16,
    "size": 0xFFFFFFFF,
    "sha256": "ff" * 32,
}


def modulus(name: str) -> bytes:
    """384 bytes that could be a key's."""
    data = bytearray(hashlib.shake_256(name.encode()).digest(384))
    data[0] |= 0x80
    data[-1] |= 1
    return bytes(data)


def with_keys(fields: dict, added: list[bytes], retired: list[bytes]) -> dict:
    """The fields of a manifest that changes the trusted keys; `retired` are moduli too."""
    digests = [hashlib.sha256(each).hexdigest() for each in retired]
    return {"kind": 0, **fields, "added": [each.hex() for each in added], "retired": digests}


def encoded_with_keys(fields: dict) -> bytes:
    encode = encoded_with_bundle if "mpy" in fields else encoded_with_specification if fields["kind"] else encoded
    data = encode(fields)
    data = data[:5] + bytes([fields["kind"] | 4]) + data[6:]
    for parts in (fields["added"], fields["retired"]):
        data += bytes([len(parts)]) + b"".join(bytes.fromhex(each) for each in parts)
    return data


def manifest() -> dict:
    good = encoded(KETTLE)
    one, two, three, four = (modulus(name) for name in ("one", "two", "three", "four"))
    changing = [
        with_keys(KETTLE, [one], []),
        with_keys(KETTLE, [], [one]),
        with_keys(with_specification(ALONE, SPECIFICATION), [two], [one]),
        with_keys(with_specification(LIMITS, SPECIFICATION), [one, two, three], [two, three, four]),
    ]
    rotation = encoded_with_keys(with_keys(KETTLE, [two], [one]))
    at = len(good)
    bad = {
        "empty": b"",
        "cut short in the head": good[:51],
        "cut short in the version": good[:-1],
        "a byte too many": good + b"\0",
        "another magic": b"TWSN" + good[4:],
        "format 2": good[:4] + b"\x02" + good[5:],
        "kind 1": good[:5] + b"\x01" + good[6:],
        "sequence 0": good[:8] + bytes(4) + good[12:],
        "an application without a name": good[:52] + b"\0" + good[59:],
        "an application of 65 bytes": good[:52] + b"\x41" + b"a" * 65 + good[59:],
        "an application that is not UTF-8": good[:53] + b"\xff\xfe" + good[55:],
        "a length that runs past the end": good[:59] + b"\x40" + good[60:],
        "keys without the kind": rotation[:5] + b"\0" + rotation[6:],
        "the kind without keys": rotation[:at],
        "no key added and none retired": rotation[:at] + b"\0\0",
        "four keys added": encoded_with_keys(with_keys(KETTLE, [one, two, three, four], [])),
        "four keys retired": encoded_with_keys(with_keys(KETTLE, [], [one, two, three, four])),
        "cut short in a key added": rotation[: at + 384],
        "cut short after the keys added": rotation[: at + 385],
        "cut short in a key retired": rotation[:-1],
        "a byte after the keys": rotation + b"\0",
        "kind 8": rotation[:5] + b"\x08" + rotation[6:],
    }
    return {
        "good": [{"fields": fields, "bytes": encoded(fields).hex()} for fields in (KETTLE, LIMITS)],
        "with_keys": [{"fields": fields, "bytes": encoded_with_keys(fields).hex()} for fields in changing],
        "bad": [{"why": why, "bytes": data.hex()} for why, data in bad.items()],
    }


SPECIFICATION = b'{"litres": 1.7, "boil": [80, 100], "name": "K\xc3\xbcche"}'
ALONE = {**KETTLE, "security_version": 0, "chip": 0xFFFF, "size": 0, "sha256": "00" * 32, "kind": 1}


def with_specification(fields: dict, content: bytes) -> dict:
    """The fields of a manifest that names `content`."""
    named = {"specification_size": len(content), "specification_sha256": hashlib.sha256(content).hexdigest()}
    return {"kind": 2, **fields, **named}


def encoded_with_specification(fields: dict) -> bytes:
    head = encoded(fields)
    tail = struct.pack("<H32s", fields["specification_size"], bytes.fromhex(fields["specification_sha256"]))
    return head[:5] + bytes([fields["kind"]]) + head[6:] + tail


def offer_of(fields: dict, content: bytes) -> dict:
    """What a check-in answers, but for the signature, which is not an example here."""
    data = encoded_with_specification(fields)
    offer = {"manifest": base64.b64encode(data).decode(), "specification": base64.b64encode(content).decode()}
    if fields["kind"] == 2:
        offer["transfer"] = f"/device/v1/transfers/{fields['sha256']}?expires=1790000600&key={'ab' * 32}"
    return offer


def specification() -> dict:
    alone, both = with_specification(ALONE, SPECIFICATION), with_specification(KETTLE, SPECIFICATION)
    largest = with_specification(LIMITS, b'"' + b"a" * 2046 + b'"')
    smallest = with_specification(ALONE, b"1")
    good, with_image = encoded_with_specification(alone), encoded_with_specification(both)
    bad = {
        "no specification, alone": good[:-34],
        "no specification, with an image": with_image[:-34],
        "cut short in the hash": good[:-1],
        "cut short in the size": good[:-33],
        "a byte too many": good + b"\0",
        "an image with a specification after it": good[:5] + b"\0" + good[6:],
        "kind 3": with_image[:5] + b"\x03" + with_image[6:],
        "alone, for a chip": good[:6] + b"\x00\x00" + good[8:],
        "alone, with a security version": good[:12] + b"\x01" + good[13:],
        "alone, with an image's size": good[:16] + b"\x01" + good[17:],
        "alone, with an image's hash": good[:51] + b"\x01" + good[52:],
        "a specification of 0 bytes": good[:-34] + b"\x00\x00" + good[-32:],
        "a specification of 2049 bytes": good[:-34] + b"\x01\x08" + good[-32:],
    }
    no_json = b"{litres: 1.7}"
    refused = [
        ("another", alone, SPECIFICATION.replace(b"7", b"8")),
        ("one byte less", alone, SPECIFICATION[:-1]),
        ("one byte more, with an image", both, SPECIFICATION + b" "),
        ("not JSON", with_specification(ALONE, no_json), no_json),
        ("none", alone, b""),
    ]
    link = {"link": f"https://kettles.example{'/device/v1/transfers/' + 'cd' * 32}?expires=1790000600&key={'ab' * 32}"}
    return {
        "good": [
            {"fields": fields, "bytes": encoded_with_specification(fields).hex()}
            for fields in (alone, both, largest, smallest)
        ],
        "bad": [{"why": why, "bytes": data.hex()} for why, data in bad.items()],
        "offers": [
            {"why": "alone", "taken": True, "offer": offer_of(alone, SPECIFICATION)},
            {"why": "alone, with a link", "taken": True, "offer": {**offer_of(alone, SPECIFICATION), **link}},
            {"why": "with an image", "taken": True, "offer": offer_of(both, SPECIFICATION)},
            *({"why": why, "taken": False, "offer": offer_of(fields, content)} for why, fields, content in refused),
        ],
    }


def encoded_with_bundle(fields: dict) -> bytes:
    data = encoded_with_specification(fields) if "specification_size" in fields else encoded(fields)
    return data[:5] + bytes([fields["kind"]]) + data[6:] + bundle.bundle_tail(fields)


def bundle_manifests() -> list[dict]:
    one, two = modulus("one"), modulus("two")
    alone = bundle.with_bundle(KETTLE, bundle.FILES, 6, [1, 26, 0])
    any_chip = bundle.with_bundle({**KETTLE, "chip": 0xFFFF, "security_version": 3}, bundle.ONE, 0, [0, 0, 0])
    native = bundle.with_bundle({**LIMITS, "chip": 9}, bundle.FILES, 0x2B06, [255, 255, 255])
    both = {**with_specification(alone, SPECIFICATION), "kind": 10}
    plain = [alone, any_chip, native, both]
    changing = [with_keys(alone, [two], [one]), with_keys(both, [], [one]), with_keys(any_chip, [one, two], [])]
    made = [(fields, encoded_with_bundle(fields)) for fields in plain]
    made += [(fields, encoded_with_keys(fields)) for fields in changing]
    key = key_of(HERE / "signature.json")
    return [{"fields": fields, "bytes": data.hex(), "signature": signed(key, data).hex()} for fields, data in made]


def bad_bundle_manifests() -> list[dict]:
    alone = bundle.with_bundle(KETTLE, bundle.FILES, 6, [1, 26, 0])
    both = {**with_specification(alone, SPECIFICATION), "kind": 10}
    data, with_both = encoded_with_bundle(alone), encoded_with_bundle(both)
    rotation = encoded_with_keys(with_keys(alone, [modulus("two")], []))
    bad = {
        "a bundle without its fields": data[:-5],
        "a bundle, cut short in its .mpy format": data[:-4],
        "a bundle, cut short in its MicroPython": data[:-1],
        "a bundle, a byte too many": data + b"\0",
        "an image with a bundle's fields": data[:5] + b"\0" + data[6:],
        "a bundle that names a specification, without one": data[:5] + b"\x0a" + data[6:],
        "a bundle with a specification, of kind 8": with_both[:5] + b"\x08" + with_both[6:],
        "a bundle and a specification, without the bundle's fields": with_both[:-5],
        "kind 9": with_both[:5] + b"\x09" + with_both[6:],
        "kind 11": with_both[:5] + b"\x0b" + with_both[6:],
        "kind 13": rotation[:5] + b"\x0d" + rotation[6:],
        "kind 24": data[:5] + b"\x18" + data[6:],
        "a bundle with keys, of kind 8": rotation[:5] + b"\x08" + rotation[6:],
        "a bundle of kind 12 without keys": data[:5] + b"\x0c" + data[6:],
    }
    return [{"why": why, "bytes": data.hex()} for why, data in bad.items()]


def bundles() -> dict:
    return {
        "good": bundle.good(),
        "bad_lists": bundle.bad_lists(),
        "bad_transfers": bundle.bad_transfers(),
        "bad_payloads": bundle.bad_payloads(),
        "manifests": bundle_manifests(),
        "bad_manifests": bad_bundle_manifests(),
        "formats": bundle.formats(),
        "micropythons": bundle.micropythons(),
    }


def key_of(path: Path) -> rsa.RSAPrivateKey:
    if not path.exists():
        return rsa.generate_private_key(65537, 3072)
    key = serialization.load_pem_private_key(json.loads(path.read_text())["private_key"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def signed(key: rsa.RSAPrivateKey, message: bytes) -> bytes:
    return key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def signature() -> dict:
    path = HERE / "signature.json"
    key = key_of(path)
    message = encoded(KETTLE)
    good = signed(key, message)
    n = key.public_key().public_numbers().n
    flipped = bytearray(good)
    flipped[200] ^= 1
    bad = {
        "one bit flipped": bytes(flipped),
        "of another message": signed(key, b"another"),
        "by SHA-512": key.sign(message, padding.PKCS1v15(), hashes.SHA512()),
        "by PSS": bytes.fromhex(pss(path, key, message)),
        "empty": b"",
        "a byte short": good[:-1],
        "a byte long": good + b"\0",
        "zero": bytes(384),
        "one": bytes(383) + b"\1",
        "the modulus": n.to_bytes(384, "big"),
        "the modulus less one": (n - 1).to_bytes(384, "big"),
        "all ones": b"\xff" * 384,
    }
    return {
        "private_key": key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        "modulus": base64.b64encode(n.to_bytes(384, "big")).decode(),
        "message": message.hex(),
        "good": good.hex(),
        "bad": [{"why": why, "signature": data.hex()} for why, data in bad.items()],
    }


def pss(path: Path, key: rsa.RSAPrivateKey, message: bytes) -> str:
    """A PSS signature, which is random: the one in the file stays."""
    if path.exists():
        return next(b["signature"] for b in json.loads(path.read_text())["bad"] if b["why"] == "by PSS")
    return key.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()).hex()


def entry(seq: int, state: int, crc_flip: int = 0) -> str:
    crc = zlib.crc32(struct.pack("<I", seq), 0xFFFFFFFF) ^ crc_flip
    return struct.pack("<I20sII", seq, b"\xff" * 20, state, crc).hex()


def otadata() -> dict:
    erased = "ff" * 32
    cases = [
        ("both erased", erased, erased, [None, None]),
        ("fresh chip after its first boot", entry(1, 2), erased, [2, None]),
        ("ota_1 just selected", entry(1, 2), entry(2, 0), [2, 0]),
        ("ota_1 in its trial", entry(1, 2), entry(2, 1), [2, 1]),
        ("ota_1 confirmed", entry(1, 2), entry(2, 2), [2, 2]),
        ("ota_1 rolled back", entry(1, 2), entry(2, 4), [2, 4]),
        ("ota_0 selected again", entry(3, 0), entry(2, 2), [0, 2]),
        ("second entry torn", entry(1, 2), entry(2, 0, 1), [2, None]),
        ("first entry torn", entry(3, 0, 1), entry(2, 2), [None, 2]),
        ("both name ota_0: the newer counts", entry(3, 1), entry(1, 2), [1, None]),
        ("undefined, from a bootloader without rollback", entry(1, 0xFFFFFFFF), erased, [0xFFFFFFFF, None]),
    ]
    return {"cases": [{"why": w, "first": a, "second": b, "slot_states": s} for w, a, b, s in cases]}


HEATER = {
    "heater/__init__.py": b"from .core import heat\n",
    "heater/core.py": b"heat = 1\n",
    "heater_test.mpy": b"M\x06\x00\x1f",
    "heater.txt": b"",
}


def package() -> dict:
    """A package that lies on a server; the links in what its devices get are without their expiry and key."""
    hashes = {path: hashlib.sha256(content).hexdigest() for path, content in sorted(HEATER.items())}
    urls = [[path, f"/device/v1/transfers/{digest}"] for path, digest in hashes.items()]
    return {
        "name": "heater",
        "version": "1.0.300",
        "files": {path: content.hex() for path, content in HEATER.items()},
        "modules": ["heater", "heater_test"],
        "package_json": {"version": "1.0.300", "urls": urls, "sha256": hashes},
    }


def packages() -> dict:
    """`names` are those of packages and their versions, `paths` those of files with the module that each belongs to."""
    bad_names = {
        "empty": "",
        "65 characters": "a" * 65,
        "begins with a dot": ".a",
        "begins with a hyphen": "-a",
        "begins with a plus": "+1",
        "begins with an underscore": "_a",
        "a folder": "a/b",
        "the folder above": "..",
        "a space": "a b",
        "the end of a line": "a\n",
        "a tilde": "a~",
        "not ASCII": "h\u00e9ater",
        "digits that are not ASCII": "\u0661",
        "a board's index": "index.json",
        "a board's next index": "index.json.new",
    }
    good_paths = {
        "x.py": "x",
        "x.mpy": "x",
        "a b.py": "a b",
        "a" * 128: "a" * 128,
        "/".join("a" * 8): "a",
        "..x": ".",
        "x..": "x.",
        "heater/core.py": "heater",
        "applet.py": "applet",
        "app_/x.py": "app_",
        "boot.tar.py": "boot.tar",
        "my/boot.py": "my",
        "my/app/main.py": "my",
        "~.py": "~",
    }
    bad_paths = {
        "empty": "",
        "absolute": "/etc/passwd",
        "absolute, as Windows has it": "\\x.py",
        "backslash": "a\\b.py",
        "the folder above": "..",
        "in the folder above": "../x.py",
        "above, from below": "a/../../x.py",
        "a part that is a dot": "a/./x.py",
        "a dot": ".",
        "an empty part": "a//x.py",
        "a folder": "a/",
        "129 characters": "a" * 129,
        "nine parts": "/".join("a" * 9),
        "not ASCII": "\u00e9.py",
        "a control character": "a\x7f.py",
        "the board's own package": "twinslot/agent.py",
        "the board's own package, in capitals": "TWINSLOT.py",
        "the board's own boot.py": "boot.py",
        "the board's own main, compiled": "main.mpy",
        "the application": "app/x.py",
        "the application, in its own file": "app.py",
        "the application, without a suffix": "app",
    }
    apart = [
        ("in one folder", True, ["a/x.py", "a/y.py"]),
        ("one's name begins with the other's", True, ["a", "a.py", "ab/x.py"]),
        ("of one name in two folders", True, ["a/x.py", "b/x.py"]),
        ("differ in case alone", False, ["a/x.py", "a/X.py"]),
        ("folders that differ in case alone, and a file", False, ["a/x.py", "A"]),
        ("a file where another needs a folder", False, ["a/x.py", "a"]),
        ("a file in a file", False, ["a", "a/x.py"]),
        ("a file in a file, further below", False, ["a", "a/b/x.py"]),
    ]
    digest = "0123456789abcdef" * 4
    return {
        "names": {
            "good": [
                "a",
                "1",
                "Z" * 64,
                "org.eclipse.kura.demo.heater",
                "1.0.300",
                "1+b_c-d",
                "index.json.old",
                "INDEX.JSON",
            ],
            "bad": [{"why": why, "name": name} for why, name in bad_names.items()],
        },
        "paths": {
            "good": [{"path": path, "module": module} for path, module in good_paths.items()],
            "bad": [{"why": why, "path": path} for why, path in bad_paths.items()],
        },
        "side_by_side": [{"why": why, "taken": taken, "paths": paths} for why, taken, paths in apart],
        "hashes": {
            "good": [{"given": f"SHA256:{given}", "told": digest} for given in (digest, digest.upper())],
            "bad": [
                {"why": why, "given": given}
                for why, given in (
                    ("without its kind", digest),
                    ("63 digits", f"SHA256:{digest[1:]}"),
                    ("65 digits", f"SHA256:{digest}0"),
                    ("not hex", f"SHA256:{digest[1:]}g"),
                    ("the end of a line", f"SHA256:{digest}\n"),
                    ("of another kind", f"MD5:{digest[32:]}"),
                )
            ],
        },
        "package": package(),
    }


for build in (auth, manifest, specification, signature, otadata, packages, transfer, bundles):
    (HERE / f"{build.__name__}.json").write_text(json.dumps(build(), indent=1, ensure_ascii=False) + "\n")
