"""Certificates of the tests' own authorities, in and out of their time."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM, _PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
HOUR_S = 3600
DAY_S = 24 * HOUR_S


class Authority:
    """`pem` is what a board pins; valid for 20 years."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._file = folder / f"{name}.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.pem = self._certificate(self._name, self._key, -3650 * DAY_S, 3650 * DAY_S, ca=True)

    def context(self, name: str = "localhost", begins_s: int = -DAY_S, ends_s: int = DAY_S) -> ssl.SSLContext:
        """A server's, certified."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certify(context, name, begins_s, ends_s)
        return context

    def certify(
        self, context: ssl.SSLContext, name: str = "localhost", begins_s: int = -DAY_S, ends_s: int = DAY_S
    ) -> None:
        """From the next connection on the server has a new key, and a certificate for it that is valid from `begins_s`
        to `ends_s`, in seconds from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem = self._certificate(_named(name), key, begins_s, ends_s, ca=False)
        self._file.write_bytes(pem + key.private_bytes(_PEM, _PKCS8, serialization.NoEncryption()))
        context.load_cert_chain(self._file)

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begins_s: int, ends_s: int, *, ca: bool
    ) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        begins, ends = (now + datetime.timedelta(seconds=s) for s in (begins_s, ends_s))
        names = [x509.DNSName(str(attribute.value)) for attribute in subject]
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(begins).not_valid_after(ends)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
