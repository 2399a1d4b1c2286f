"""A signed report verifies as it is, and in no other form; OpenSSL makes the keys and agrees."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulketl import ConfigError, DataError
from bulketl.operations.reports.signing import HOW, check, digest, sign, signer

PAGE = "<!doctype html>\n<title>r</title>\n"
DOCUMENT = json.dumps({"report": "compliance", "tables": []}, indent=2) + "\n"
FORMS = {"page": PAGE, "json": DOCUMENT}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A private and a public key, made by the very commands that the hint names."""
    return made(tmp_path_factory.mktemp("keys"))


def made(folder: Path) -> tuple[str, str]:
    for command in re.findall(r"`([^`]+)`", HOW):
        subprocess.run(command, shell=True, cwd=folder, check=True)
    return folder.joinpath("report.key").read_text(), folder.joinpath("report.pub").read_text()


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_what_is_signed_verifies_and_tells_the_digest(pair: tuple[str, str], text: str) -> None:
    signed = sign(text, pair[0])
    assert check(signed, pair[1]) == (signer(pair[0]), digest(text))
    if text is DOCUMENT:
        assert json.loads(signed)["tables"] == []


def test_openssl_verifies_it_too(pair: tuple[str, str], tmp_path: Path) -> None:
    """With nothing of bulketl's: the signature is over the bytes before it, behind a line of its own."""
    signed = sign(PAGE, pair[0])
    tmp_path.joinpath("message").write_bytes(b"bulketl report\n" + PAGE.encode())
    tmp_path.joinpath("signature").write_bytes(base64.b64decode(signed.rsplit(" ", 2)[-2]))
    tmp_path.joinpath("report.pub").write_text(pair[1])
    verify = "openssl pkeyutl -verify -pubin -inkey report.pub -rawin -in message -sigfile signature"
    subprocess.run(verify.split(), cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
def test_no_altered_byte_verifies(pair: tuple[str, str], form: str, data: st.DataObject) -> None:
    """Wherever one is changed, put in or taken out, the signature's own line included."""
    signed = sign(FORMS[form], pair[0])
    at = data.draw(st.integers(0, len(signed) - 1))
    new = data.draw(st.characters(codec="utf-8"))
    altered = data.draw(
        st.sampled_from(
            [signed[:at] + new + signed[at + 1 :], signed[:at] + new + signed[at:], signed[:at] + signed[at + 1 :]]
        )
    )
    if altered != signed:
        with pytest.raises(DataError):
            check(altered, pair[1])


def test_what_is_not_signed_is_refused_and_so_is_what_follows_a_signature(pair: tuple[str, str]) -> None:
    for text in (PAGE, DOCUMENT, sign(PAGE, pair[0]) + "more\n", ""):
        with pytest.raises(DataError, match="no signature"):
            check(text, pair[1])


def test_another_key_is_named(pair: tuple[str, str], tmp_path: Path) -> None:
    other = made(tmp_path)
    with pytest.raises(DataError, match=f"key {signer(pair[0])} signed it, and the key given is {signer(other[0])}"):
        check(sign(PAGE, pair[0]), other[1])


@pytest.mark.parametrize("key", ["", "x", "AAAA", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----", "é"])
def test_a_key_that_is_none_is_told_with_how_to_make_one(pair: tuple[str, str], key: str) -> None:
    """Neither is a public key a private one, nor the other way round."""
    for wrong in (key, pair[1]):
        with pytest.raises(ConfigError) as error:
            sign(PAGE, wrong)
        assert error.value.hint == HOW
    for wrong in (key, pair[0]):
        with pytest.raises(ConfigError):
            check(sign(PAGE, pair[0]), wrong)
