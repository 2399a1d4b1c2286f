"""Certificates for tests: two authorities, and what a server called localhost may show: a good one, and one that expired."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST = "localhost"
Authority = tuple[ec.EllipticCurvePrivateKey, x509.Name]


def make(folder: Path) -> None:
    """Write ca.pem, other-ca.pem, good.pem, good.key, expired.pem and expired.key."""
    day = dt.timedelta(days=1)
    ours = _authority(folder, "ca")
    _authority(folder, "other-ca")
    _server(folder, "good", ours, day)
    _server(folder, "expired", ours, -day)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, ends: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=9))
        .not_valid_after(now + ends)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _authority(folder: Path, name: str) -> Authority:
    key, called = ec.generate_private_key(ec.SECP256R1()), _name(name)
    built = _builder(called, called, key, dt.timedelta(days=9)).add_extension(
        x509.BasicConstraints(True, None), critical=True
    )
    use = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    _write(folder / f"{name}.pem", built.add_extension(use, critical=True).sign(key, hashes.SHA256()))
    return key, called


def _server(folder: Path, name: str, authority: Authority, ends: dt.timedelta) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    built = _builder(_name(HOST), authority[1], key, ends)
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
    built = built.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    _write(folder / f"{name}.pem", built.sign(authority[0], hashes.SHA256()))
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(text)
    (folder / f"{name}.key").chmod(0o600)


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
