"""Private keys in files with which qproxy signs in its own name, and the algorithm that goes with each.

No function here repeats a key in an error.
"""

from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from qproxy.secret_files import SecretError, read_secret

LEAST_RSA_BITS: Final = 2048
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}

SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def read_signing_key(path: Path) -> tuple[SigningKey, str]:
    """The key and its algorithm in the words of JOSE. Raises SecretError."""
    try:
        loaded = load_pem_private_key(read_secret(path).encode(), None)
    except (TypeError, UnsupportedAlgorithm, ValueError) as error:
        if isinstance(error, SecretError):
            raise
        raise SecretError(f"{path} is not a private key as PEM without a password") from None
    if isinstance(loaded, rsa.RSAPrivateKey) and loaded.key_size >= LEAST_RSA_BITS:
        return loaded, "RS256"
    if isinstance(loaded, ec.EllipticCurvePrivateKey) and loaded.curve.name in _CURVES:
        return loaded, _CURVES[loaded.curve.name]
    text = f"must be an RSA key of {LEAST_RSA_BITS} bits or more, or an EC key on P-256, P-384 or P-521"
    raise SecretError(f"{path} {text}")
