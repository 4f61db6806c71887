"""Digests of secrets that nobody guesses: the digest alone is kept, and needs not be slow as a password's."""

import hashlib


def digest(secret: str) -> str:
    """SHA-256 in hex; of any text, one with a lone surrogate included, which UTF-8 does not have."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
