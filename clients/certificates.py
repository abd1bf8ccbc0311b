"""A certificate this machine signs itself: browsers give a microphone to https pages only, except on the machine itself.

Every visitor is warned once and has to agree; compare the fingerprint to know that nobody stands between. For the
public, take a real certificate with `--cert` and `--key`.
"""

import datetime
import ipaddress
import os
import socket
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from limner.engine.errors import UsageError
from limner.models.modelfiles import cache_folder

LIFETIME = datetime.timedelta(days=365)       # browsers refuse more than 398 days
RENEW = datetime.timedelta(days=14)           # before the end
EVERYWHERE = {"0.0.0.0", "::", ""}


def self_signed(host: str, folder: Path | None = None, now: datetime.datetime | None = None) -> tuple[Path, Path]:
    """Paths of a certificate for `host` and of its key (mode 0600), from `folder` (the user's cache) or made there.

    Raises UsageError when the folder cannot be written.
    """
    folder = folder or cache_folder() / "tls"
    now = now or datetime.datetime.now(datetime.UTC)
    cert, key, names = folder / "cert.pem", folder / "key.pem", names_of(host)
    try:
        if not _usable(cert, key, names, now):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(cert, key, names, now)
    except OSError as error:
        raise UsageError(f"a certificate cannot be kept in {folder} ({error.strerror}); give your own with --cert and --key") from error
    return cert, key


def names_of(host: str) -> set[str]:
    """What the server may be called: `host`, this machine, and, when it listens everywhere, its name."""
    found = {"localhost", "127.0.0.1", "::1"}
    return found | ({socket.gethostname()} if host.strip("[]") in EVERYWHERE else {host.strip("[]")})


def fingerprint(cert: Path) -> str:
    """SHA-256 as browsers show it."""
    digest = x509.load_pem_x509_certificate(cert.read_bytes()).fingerprint(hashes.SHA256())
    return ":".join(f"{byte:02X}" for byte in digest)


def _usable(cert: Path, key: Path, names: set[str], now: datetime.datetime) -> bool:
    if not cert.is_file() or not key.is_file() or key.stat().st_mode & 0o077:
        return False
    try:
        held = x509.load_pem_x509_certificate(cert.read_bytes())
        own = serialization.load_pem_private_key(key.read_bytes(), None)
        listed = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, x509.ExtensionNotFound):
        return False
    known = {str(name.value) for name in listed}
    return own.public_key() == held.public_key() and names <= known and held.not_valid_after_utc - now > RENEW


def _write(cert: Path, key: Path, names: set[str], now: datetime.datetime) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "limner on this machine")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(private.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + LIFETIME)
    builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in sorted(names)]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    signed = builder.sign(private, hashes.SHA256())
    secret = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key.unlink(missing_ok=True)
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(secret)
    cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
