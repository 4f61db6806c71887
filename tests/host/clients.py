"""The real server as a process of its own, and clients that speak its protocols by hand, byte for byte."""

import dataclasses
import hashlib
import hmac
import http.client
import json
import re
import resource
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from twinslot_host import tokens

from .nursery import nursery

SERVE = """
import json, sys
from pathlib import Path
from twinslot_host import config
vars(config).update(json.loads(sys.argv[3]))
from twinslot_host.app import serve
from twinslot_host.issuer import Trusted
issuer = json.loads(sys.argv[4])
serve(Path(sys.argv[1]), "127.0.0.1", int(sys.argv[2]), issuer=issuer and Trusted(*issuer))
"""

PASSWORD = "correct horse battery"
JSON = {"Content-Type": "application/json"}
NO_PACKAGES = "0" * 16  # the digest of a device without any


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def detail(self):
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.json.keys() == {"type", "title", "status", "detail"}
        assert self.json["status"] == self.status
        return self.json["detail"]

    @property
    def poll_s(self) -> int:
        """When a device is to come back; about the interval of its group."""
        return int(re.search(r'poll="(\d+)"', self.headers["Authentication-Info"])[1])


def held_port() -> socket.socket:
    """A port of 127.0.0.1 that refuses connections, and that until it is closed only those can take who are told its
    number: a server that may go and come back."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


class Server:
    """A server process on a data directory; the directory outlives it."""

    def __init__(
        self,
        data: Path,
        file_size_limit: int | None = None,
        port: int = 0,
        open_files_limit: int | None = None,
        bounds: dict[str, float] | None = None,
        issuer: tuple[str, str, str] | None = None,
    ) -> None:
        """`bounds` replaces some of config.py, so that a test need not wait as long as a client may.

        `issuer`: its address, the audience, the address of its keys.
        """
        self.data = data

        limits = {resource.RLIMIT_FSIZE: file_size_limit, resource.RLIMIT_NOFILE: open_files_limit}
        limits = {what: value for what, value in limits.items() if value is not None}
        if bounds is None:
            self.process = nursery().fork(data, port, issuer, limits)
        else:
            self.process = self._started(port, bounds, issuer, limits)
        line = self.process.stdout.readline().decode()
        found = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", line)
        if found is None:
            self.process.wait()
            raise AssertionError(f"it said {line!r} and {self.process.stderr.read().decode()}")
        self.port = int(found[1])

    def _started(
        self, port: int, bounds: dict[str, float], issuer: tuple[str, str, str] | None, limits: dict[int, int]
    ) -> subprocess.Popen[bytes]:
        """An interpreter of its own, since `bounds` have to be there before the server's code is."""

        def limit() -> None:
            for what, value in limits.items():
                resource.setrlimit(what, (value, value))

        return subprocess.Popen(
            [sys.executable, "-c", SERVE, str(self.data), str(port), json.dumps(bounds), json.dumps(issuer)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,  # so that nothing is read ahead, and lost to communicate()
            preexec_fn=limit,
        )

    def stop(self, number: int = signal.SIGTERM) -> str:
        """The process has ended; what it wrote to its log."""
        self.process.send_signal(number)
        printed, log = self.process.communicate()
        self.printed = printed.decode()
        return log.decode()

    def setup_token(self) -> str:
        """The token of the set-up link that the server printed, which is to be read once."""
        line = self.process.stdout.readline().decode()
        found = re.fullmatch(rf"set up the account: http://127\.0\.0\.1:{self.port}/setup\?token=([\w-]{{43}})\n", line)
        assert found is not None, line
        return found[1]

    def set_up(self, name: str = "anna") -> dict:
        """The first user, with PASSWORD, and the first client."""
        body = {"token": self.setup_token(), "name": name, "password": PASSWORD}
        answer = self.say("POST", "/api/v1/setup", body)
        assert answer.status == 201, answer.body
        return answer.json

    def say(self, method: str, path: str, body=None, bearer: str | None = None) -> Answer:
        """A request with this very token, or with none; a body goes as JSON."""
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        data = None if body is None else json.dumps(body).encode()
        return self.request(method, path, data, headers | ({} if body is None else JSON))

    def log_in(self, name: str = "anna", password: str | None = None) -> Answer:
        return self.say("POST", "/api/v1/sessions", {"name": name, "password": password or PASSWORD})

    def request(self, method: str, path: str, body=None, headers=None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def api(self, method: str, path: str, body=None, scopes=None) -> Answer:
        headers = {"Authorization": f"Bearer {self.token(scopes)}"}
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request(method, "/api/v1" + path, data, headers)

    def counted(self, what: str) -> float:
        """One of the server's figures, such as `check_ins_total`."""
        text = self.request("GET", "/metrics").body.decode()
        return float(re.search(rf"^twinslot_{re.escape(what)} (\S+)$", text, re.MULTILINE)[1])

    def token(self, scopes=None, ttl_s: int = 600, age_s: int = 0) -> str:
        return tokens.issue(self.data, scopes, ttl_s, int(time.time()) - age_s)

    def group(self, name: str | None = None, app: str = "kettle", key: rsa.RSAPrivateKey | None = None) -> dict:
        trust, keys = ("server", []) if key is None else ("publisher", [public_pem(key)])
        answer = self.api(
            "POST", "/groups", {"name": name or secrets.token_hex(8), "app": app, "trust": trust, "keys": keys}
        )
        assert answer.status == 201, answer.body
        return answer.json

    def publish(
        self,
        image: bytes | None,
        version: str = "1.1.0",
        app: str = "kettle",
        specification: bytes | None = None,
        **fields,
    ) -> Answer:
        body = {"version": version, "strategy": "general", "upgradable_from": None, "manifest": None, "signature": None}
        parts = [("release", json.dumps(body | fields).encode()), ("specification", specification), ("image", image)]
        return self.upload(app, [(name, content) for name, content in parts if content is not None])

    def upload(self, app: str, parts: list[tuple[str, bytes]]) -> Answer:
        boundary = secrets.token_hex(16).encode()
        body = b"".join(
            b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (boundary, name.encode(), content)
            for name, content in parts
        )
        headers = {
            "Authorization": f"Bearer {self.token()}",
            "Content-Type": f"multipart/form-data; boundary={boundary.decode()}",
        }
        path = f"/api/v1/applications/{app}/releases"
        return self.request("POST", path, body + b"--%s--\r\n" % boundary, headers)

    def board(self, group: dict, device: str = "board-1", **told) -> "Board":
        return Board(self, group, device, told)


class Board:
    """A device as docs/protocol.md tells; every answer's mac is checked."""

    def __init__(self, server: Server, group: dict, device: str, told: dict) -> None:
        self.server, self.group, self.device = server, group["id"], device
        self.key = hmac.digest(group["token"].encode(), device.encode(), "sha256")
        self.nonce, self.seq = "", 0
        self.told = {
            "app": group["app"],
            "version": "1.0.0",
            "confirmed_version": "1.0.0",
            "sequence": 0,
            "state": "idle",
            "image": None,
            "chip": 0,
            "slot_size": 0x180000,
            "free_heap": 100000,
            "reset_cause": 1,
        } | told

    def check(self, *, wait: object = 0, **told) -> Answer:
        """A check-in, which may `wait`; what it tells is told by later ones too."""
        self.told |= told
        body = self.told if wait == 0 else self.told | {"wait": wait}
        return self.send("POST", "/device/v1/check", json.dumps(body).encode())

    def offer(self, **told) -> dict | None:
        answer = self.check(**told)
        assert answer.status in (200, 204), answer.body
        return answer.json.get("offer") if answer.status == 200 else None

    def work(self, **told) -> dict | None:
        """The operation that a check-in brings to a device which takes them, or None."""
        answer = self.check(**({"inventory": self.told.get("inventory", NO_PACKAGES)} | told))
        assert answer.status in (200, 204), answer.body
        return answer.json.get("operation") if answer.status == 200 else None

    def tell(self, operation: dict, state: str = "succeeded", part: int = 0, **fields) -> Answer:
        """A report of the operation."""
        body = {"id": operation["id"], "attempt": operation["attempt"], "part": part, "state": state}
        body |= {"output": "", "errors": "", "cut": False, "progress": None, "exit_code": None, "reason": ""}
        return self.send("POST", "/device/v1/operation", json.dumps(body | fields).encode())

    def inventory(self, packages: list[dict], digest: str | None = None) -> None:
        """The device has told that it has these packages; its check-ins tell of them from now on."""
        self.told["inventory"] = digest or hashlib.sha256(json.dumps(packages).encode()).hexdigest()[:16]
        body = {"digest": self.told["inventory"], "packages": packages}
        answer = self.send("POST", "/device/v1/inventory", json.dumps(body).encode())
        assert answer.status == 204, answer.body

    def waiting(self, wait_s: int = 60, **told) -> "Waiting":
        """A check-in that the server holds, which it does by the time this returns."""
        return Waiting(self, {"inventory": self.told.get("inventory", NO_PACKAGES), "wait": wait_s} | told)

    def report(self, event: str, version: str, sequence: int, reason: str = "", name: str | None = None) -> Answer:
        body = {"event": event, "version": version, "sequence": sequence, "reason": reason}
        return self.send("POST", "/device/v1/report", json.dumps({"id": name or secrets.token_hex(8)} | body).encode())

    def keys(self) -> Answer:
        return self.send("GET", "/device/v1/keys", b"")

    def send(self, method: str, path: str, body: bytes) -> Answer:
        """As a device does it: once more with the fresh nonce when the server asks for that."""
        answer = self.once(method, path, body)
        if answer.status == 401 and "Authentication-Info" in answer.headers:
            answer = self.once(method, path, body)
        return answer

    def once(self, method: str, path: str, body: bytes) -> Answer:
        self.seq += 1
        headers = self.signed(method, path, body)
        answer = self.server.request(method, path, body, headers)
        self.learn(headers, answer)
        return answer

    def signed(self, method: str, path: str, body: bytes) -> dict[str, str]:
        cnonce, digest = secrets.token_hex(16), hashlib.sha256(body).hexdigest()
        lines = ("twinslot-request-1", method, path, self.nonce, str(self.seq), cnonce, digest)
        mac = hmac.digest(self.key, "\n".join(lines).encode(), "sha256").hex()
        value = f'Twinslot group="{self.group}", device="{self.device}", nonce="{self.nonce}", seq="{self.seq}"'
        return {"Authorization": f'{value}, cnonce="{cnonce}", mac="{mac}"'}

    def learn(self, sent: dict[str, str], answer: Answer) -> None:
        info = answer.headers["Authentication-Info"]
        if info is None:
            return
        got = dict(re.findall(r'(\w+)="([^"]*)"', info))
        request_mac = re.search(r'mac="(.*)"', sent["Authorization"])[1]
        digest = hashlib.sha256(answer.body).hexdigest()
        lines = (str(answer.status), request_mac, got["nonce"], got["time"], got["poll"], digest)
        text = "\n".join(("twinslot-response-1", *lines)).encode()
        assert got["mac"] == hmac.digest(self.key, text, "sha256").hex()
        if got["nonce"] != self.nonce:
            self.nonce, self.seq = got["nonce"], 0


class Waiting:
    """A check-in that is held, unless it was answered at once; `answer()` is what came at last."""

    def __init__(self, board: Board, told: dict) -> None:
        self.board, self._done = board, Future()
        before = board.server.counted("check_ins_total")
        threading.Thread(target=self._send, args=(told,), daemon=True).start()
        while not self.is_over and board.server.counted("check_ins_total") == before:
            time.sleep(0.005)

    @property
    def is_over(self) -> bool:
        return self._done.done()

    def answer(self) -> Answer:
        return self._done.result(60)

    def _send(self, told: dict) -> None:
        try:
            self._done.set_result(self.board.check(**told))
        except Exception as error:  # noqa: BLE001 - raised where the answer is asked for
            self._done.set_exception(error)


def public_pem(key: rsa.RSAPrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def until(condition: Callable[[], bool], patience_s: float = 20) -> None:
    """The condition holds, or did for a moment."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
