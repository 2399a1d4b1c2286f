"""What is handed to others says one version, and the container file names what is there."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the container file."""
    text = re.sub(r"\\\n", " ", (ROOT / "Containerfile").read_text(encoding="utf-8"))
    lines = (line.partition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return [(word, rest) for word, _, rest in lines]


def test_every_place_says_the_same_version() -> None:
    """pyproject.toml, CITATION.cff, and the CHANGELOG once it is released."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == PROJECT["version"]
    assert cited["license"] == PROJECT["license"]
    released = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert released[:1] in ([], [PROJECT["version"]])


def test_the_extra_all_has_every_other_one() -> None:
    """A new extra is in it too."""
    extras = PROJECT["optional-dependencies"]
    (whole,) = extras["all"]
    assert whole == f"bulketl[{','.join(sorted(set(extras) - {'all'}))}]"


def test_the_container_runs_bulketl_as_nobody_special() -> None:
    """With what it copies there, extras that there are, and a program that is installed."""
    found = instructions()
    assert {word for word, _ in found} <= {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT", "CMD"}
    for word, rest in found:
        names = [name for name in shlex.split(rest) if not name.startswith("--")][:-1]
        assert word != "COPY" or rest.startswith("--from=") or all((ROOT / name).exists() for name in names), rest
    (asked,) = re.findall(r"\.\[([a-z,]+)\]", " ".join(rest for word, rest in found if word == "RUN"))
    assert set(asked.split(",")) <= set(PROJECT["optional-dependencies"])
    words = [word for word, _ in found]
    assert words.index("ENTRYPOINT") > len(words) - 1 - words[::-1].index("USER")
    assert dict(found)["ENTRYPOINT"] == '["bulketl"]'
    assert "bulketl" in PROJECT["scripts"]
    assert dict(found)["USER"] != "root"
