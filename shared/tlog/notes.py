"""Signing: the log's key, and the notes it signs."""

import base64
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tlog.verifier import ED25519, VerifierKey, Wrong


@dataclass(frozen=True)
class Signer:
    """Signs as `name`, which is a log's origin. The private key is never shown."""

    name: str
    _private: Ed25519PrivateKey

    @classmethod
    def from_pem(cls, name: str, pem: str) -> "Signer":
        """From an Ed25519 private key (PEM, PKCS 8). Raises Wrong, which quotes nothing of it."""
        if not name or any(letter.isspace() or letter == "+" for letter in name):
            raise Wrong("want a name without spaces and +, such as bank.example/doorstep")
        try:
            key = serialization.load_pem_private_key(pem.replace("\\n", "\n").encode(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise Wrong("want an Ed25519 private key: openssl genpkey -algorithm ed25519")
        return cls(name, key)

    @property
    def verifier(self) -> VerifierKey:
        """What the others verify with; to be made known to them."""
        raw = self._private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return VerifierKey(self.name, ED25519, raw)

    def sign(self, body: str) -> str:
        """The signed note over `body`, which ends in a newline."""
        signature = self.verifier.id + self._private.sign(body.encode())
        return f"{body}\n\u2014 {self.name} {base64.b64encode(signature).decode()}\n"
