"""Where passwords, keys and URLs come from that nobody should read: this module finds them for every key and variable.

A secret has a name. It is in the environment under that name, in the file that NAME_FILE names, in the output of the
command in NAME_COMMAND, in the keyring under the `service/user` in NAME_KEYRING, or among systemd's credentials under
that name. Two of the first four are a mistake, because nobody could tell which one counts. `${NAME}` in bulketl.yaml
searches all of these; `${file:PATH}`, `${credential:NAME}`, `${keyring:SERVICE/USER}` and `${command:WORDS}` name the
place directly. No message repeats a value of any of them, because a person may have put the secret itself there.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

COMMAND_SECONDS = 60.0  # a person may have to touch a key
MOST_BYTES = 1 << 16
CREDENTIALS = "CREDENTIALS_DIRECTORY"  # where systemd puts them, readable by the service alone
REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*)(?::([^}]*))?\}")


class SecretError(Exception):
    """A secret that is not where it should be; the text says which and why, and repeats nothing of it."""


def named(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the secret of that name, None where nobody has set it; an empty variable is none. Raise SecretError."""
    given = [f"{name}{ending}" for ending in ("", *WAYS) if environ.get(f"{name}{ending}")]
    if len(given) > 1:
        raise SecretError(f"{' and '.join(given)} are both set: leave one of them")
    if given:
        if any("\ud800" <= letter <= "\udfff" for letter in environ[given[0]]):  # bytes that are no text
            raise SecretError(f"{given[0]} is not UTF-8 text: write it anew")
        ending = given[0].removeprefix(name)
        return WAYS[ending](environ[given[0]], given[0], environ) if ending else environ[name]
    folder = environ.get(CREDENTIALS)
    if folder and Path(folder, name).is_file():
        return _credential(name, f"the credential {name}", environ)
    return None


def given(name: str, environ: Mapping[str, str]) -> str:
    """Return what tells the secret of that name, or where it is: a variable, or a credential; '' where nothing does."""
    folder = environ.get(CREDENTIALS)
    variables = [f"{name}{ending}" for ending in ("", *WAYS) if environ.get(f"{name}{ending}")]
    return next(iter([*variables, *([name] if folder and Path(folder, name).is_file() else [])]), "")


def referred(text: str, environ: Mapping[str, str]) -> str:
    """Return the text with each `${...}` in it replaced by what it stands for. Raise SecretError."""

    def found(match: re.Match[str]) -> str:
        kind, rest = match[1], match[2]
        if rest is not None:
            if kind not in KINDS:
                raise SecretError(f"${{…:…}} begins with one of {', '.join(KINDS)}")
            return KINDS[kind](rest, f"${{{kind}:…}}", environ)
        value = named(kind, environ)
        if value is None and kind not in environ:
            raise SecretError(f"the environment has no variable {kind}, nor {', '.join(kind + end for end in WAYS)}")
        return value or ""

    return REFERENCE.sub(found, text)


def variables(text: str) -> set[str]:
    """Return the variables that may hold what a text refers to."""
    return {f"{match[1]}{ending}" for match in REFERENCE.finditer(text) if match[2] is None for ending in ("", *WAYS)}


def joined(uri: str, password: str, side: Literal["source", "target"]) -> str:
    """Return the URI, or libpq's connection string, with a password, which needs no encoding. Raise SecretError.

    One that the URI has already is a mistake: nobody could tell which of the two is meant.
    """
    scheme, mark, rest = uri.partition("://")
    if not mark:
        if re.search(r"(^|\s)password\s*=", uri):
            raise SecretError(_TWICE.format(side.upper(), side))
        quoted = password.replace("\\", "\\\\").replace("'", "\\'")
        return f"{uri} password='{quoted}'"
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    login, at, host = rest[:end].rpartition("@")
    if ":" in login or re.search(r"[?&]password=", rest):
        raise SecretError(_TWICE.format(side.upper(), side))
    encoded = urllib.parse.quote(password, safe="")
    if not at and side == "target":  # the user is libpq's to find
        return f"{uri}{'&' if '?' in rest else '?'}password={encoded}"
    return f"{scheme}://{login or 'root'}:{encoded}@{host}{rest[end:]}"


_TWICE = "BULKETL_{}_PASSWORD is set, and the {} URI has a password too: leave one of them"


def in_file(path: str, where: str, _environ: Mapping[str, str]) -> str:
    """Return the line in a file; `where` says what names it. Raise SecretError."""
    try:
        with Path(path).open("rb") as file:
            return _line(file.read(MOST_BYTES + 1), f"the file of {where}")
    except OSError as error:
        raise SecretError(f"the file of {where} cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL in its name
        raise SecretError(f"the file of {where} has an invalid name") from None


def _credential(name: str, where: str, environ: Mapping[str, str]) -> str:
    folder = environ.get(CREDENTIALS)
    if not folder:
        raise SecretError(f"{where}: there is no {CREDENTIALS}; systemd sets it where a unit has LoadCredential=")
    if name in ("", ".", "..") or "/" in name:
        raise SecretError(f"{where}: the name of a credential has no slash")
    return in_file(str(Path(folder, name)), where, environ)


def _command(words: str, where: str, environ: Mapping[str, str]) -> str:
    """Return what a command prints, without a shell; what it says of itself goes where ours goes."""
    try:
        command = shlex.split(words)
    except ValueError:
        raise SecretError(f"the command of {where} has a quotation that does not end") from None
    if not command:
        raise SecretError(f"the command of {where} is empty")
    bare = {name: value for name, value in environ.items() if not name.startswith("BULKETL_")}
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=bare, timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        raise SecretError(f"the command of {where} did not end in {COMMAND_SECONDS:.0f} s") from None
    except (OSError, ValueError) as error:
        raise SecretError(f"the command of {where} cannot be run: {getattr(error, 'strerror', None) or 'a NUL'}") from None
    if done.returncode:
        raise SecretError(f"the command of {where} ended with code {done.returncode}")
    return _line(done.stdout, f"what the command of {where} prints")


def _keyring(entry: str, where: str, _environ: Mapping[str, str]) -> str:
    service, slash, user = entry.rpartition("/")
    if not (slash and service and user):
        raise SecretError(f"the entry of {where} is written service/user")
    try:
        import keyring
    except ImportError:
        raise SecretError(f"{where} needs the keyring: pip install 'bulketl[keyring]'") from None
    try:
        found = keyring.get_password(service, user)
    except Exception as error:  # a backend raises what it likes, D-Bus' errors too
        raise SecretError(
            f"the keyring of {where} cannot be asked: {type(error).__name__}; a server often has none: use a file"
        ) from None
    if not found:
        raise SecretError(f"the keyring has nothing for {where}")
    return found


def _line(raw: bytes, what: str) -> str:
    """Return the one line of text in some bytes."""
    if len(raw) > MOST_BYTES:
        raise SecretError(f"{what} has more than {MOST_BYTES >> 10} KB; it is not a secret")
    try:
        text = raw.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecretError(f"{what} is not UTF-8 text") from None
    if not text:
        raise SecretError(f"{what} is empty")
    if any(end in text for end in "\n\r\0"):
        raise SecretError(f"{what} has more than one line, and a secret is one")
    return text


Way = Callable[[str, str, Mapping[str, str]], str]
WAYS: dict[str, Way] = {"_FILE": in_file, "_COMMAND": _command, "_KEYRING": _keyring}  # by the ending of a variable
KINDS: dict[str, Way] = {"file": in_file, "credential": _credential, "keyring": _keyring, "command": _command}
