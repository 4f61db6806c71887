"""An external issuer: a real server of keys, and tokens that they vouch for or do not."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER, AUDIENCE = "https://login.example.com/realm", "twinslot-api"
RSA, OTHER_RSA = (rsa.generate_private_key(65537, 2048) for _ in range(2))
KEYS = {
    "rsa": (RSA, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
    "p256": (ec.generate_private_key(ec.SECP256R1()), ["ES256"]),
    "p384": (ec.generate_private_key(ec.SECP384R1()), ["ES384"]),
    "p521": (ec.generate_private_key(ec.SECP521R1()), ["ES512"]),
    "ed": (ed25519.Ed25519PrivateKey.generate(), ["EdDSA"]),
}


def jwk(kid: str, key, **more) -> dict:
    """The public half, as an issuer publishes it."""
    kinds = {
        rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm,
        ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm,
        ed25519.Ed25519PrivateKey: jwt.algorithms.OKPAlgorithm,
    }
    (kind,) = (each for of, each in kinds.items() if isinstance(key, of))
    return json.loads(kind.to_jwk(key.public_key())) | {"kid": kid} | more


class KeyServer:
    """Publishes `keys`, or answers with `body` and `status` when these are set; counts who asked.

    One that is not `there` refuses connections at a port which nobody else can take, until `come`.
    """

    def __init__(self, *, there: bool = True) -> None:
        self.keys = [jwk(kid, key) for kid, (key, _) in KEYS.items()]
        self.body: bytes | None = None
        self.status, self.asked, self.wait_s = 200, 0, 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                time.sleep(outer.wait_s)
                self.send_response(outer.status)
                if outer.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(outer.body if outer.body is not None else json.dumps({"keys": outer.keys}).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server.server_bind()
        self.address = f"http://127.0.0.1:{self.server.server_port}/keys"
        if there:
            self.come()

    def come(self) -> None:
        """It answers from now on."""
        self.server.server_activate()
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def claims(now_s: float | None = None, **change) -> dict:
    now_s = int(now_s or time.time())
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "abc", "scope": "group:read", "exp": now_s + 60, "iat": now_s}
    return {name: value for name, value in (good | change).items() if value is not None}


def token(kid: str | None = "rsa", algorithm: str = "RS256", key=RSA, now_s: float | None = None, **change) -> str:
    return jwt.encode(claims(now_s, **change), key, algorithm, headers={} if kid is None else {"kid": kid})
