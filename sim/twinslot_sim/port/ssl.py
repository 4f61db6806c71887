"""`ssl` over the built-in `tls`, with a chip's defaults: nothing is verified until `verify_mode` says so. Certificates
are valid or not by the chip's clock, and by this machine's."""

import time

import tls
import utime

CERT_NONE = tls.CERT_NONE
CERT_OPTIONAL = tls.CERT_OPTIONAL
CERT_REQUIRED = tls.CERT_REQUIRED
PROTOCOL_TLS_CLIENT = tls.PROTOCOL_TLS_CLIENT
PROTOCOL_TLS_SERVER = tls.PROTOCOL_TLS_SERVER
MBEDTLS_VERSION = tls.MBEDTLS_VERSION


class SSLContext:
    def __init__(self, *args):
        self._context = tls.SSLContext(*args)
        self._context.verify_mode = CERT_NONE
        self._context.verify_callback = _in_its_time

    @property
    def verify_mode(self):
        return self._context.verify_mode

    @verify_mode.setter
    def verify_mode(self, mode):
        self._context.verify_mode = mode

    def load_cert_chain(self, certfile, keyfile):
        self._context.load_cert_chain(_content(certfile), _content(keyfile))

    def load_verify_locations(self, cafile=None, cadata=None):
        self._context.load_verify_locations(_content(cafile) if cafile else cadata)

    def wrap_socket(self, sock, server_side=False, do_handshake_on_connect=True, server_hostname=None):
        return self._context.wrap_socket(
            sock,
            server_side=server_side,
            do_handshake_on_connect=do_handshake_on_connect,
            server_hostname=server_hostname,
        )


def _in_its_time(certificate, depth):
    """0, for a certificate (DER) that is valid by the chip's clock, and for one that is not by this machine's either:
    mbedTLS refuses that itself. Raises ValueError as extmod/modtls_mbedtls.c does, in mbedTLS's words."""
    der = bytes(certificate)
    at = der.find(b"\x17\x0d")  # Validity: twice a UTCTime of 13 bytes, until 2049 (RFC 5280, 4.1.2.5)
    begins, ends = der[at + 2 : at + 14], der[at + 17 : at + 29]
    chips, ours = _utc_time(time.gmtime()), _utc_time(utime.gmtime())
    if chips < begins <= ours:
        raise ValueError("The certificate validity starts in the future")
    if ours <= ends < chips:
        raise ValueError("The certificate validity has expired")
    return 0


def _utc_time(moment):
    return "{:02}{:02}{:02}{:02}{:02}{:02}".format(moment[0] % 100, *moment[1:6]).encode()


def _content(source):
    if isinstance(source, str):
        with open(source, "rb") as file:
            return file.read()
    return source


def wrap_socket(sock, server_side=False, cert_reqs=CERT_NONE, cadata=None, server_hostname=None):
    context = SSLContext(PROTOCOL_TLS_SERVER if server_side else PROTOCOL_TLS_CLIENT)
    context.verify_mode = cert_reqs
    if cadata:
        context.load_verify_locations(cadata=cadata)
    return context.wrap_socket(sock, server_side=server_side, server_hostname=server_hostname)
