"""What bulketl stands on, as other people made it: licences, a bill of materials, and advisories.

`nox -s supply` installs the package with all its extras into an environment of its own and runs this over it. What the
advisory service could not be asked about is named and fails the session: not known is not safe.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ALLOWED = {  # by the names of SPDX; none of them asks anything of who uses bulketl but to keep its text
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CNRI-Python",
    "HPND",
    "ISC",
    "LGPL-3.0-only",
    "MIT-0",
    "MIT",
    "MIT-CMU",
    "MPL-2.0",
    "PSF-2.0",
    "Python-2.0",
    "Unlicense",
    "Zlib",
    "CC0-1.0",
    "BSL-1.0",
}
OLDER = {  # what packages say that do not use those names yet
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "the mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "psf": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
    "gnu lesser general public license v3 or later (lgplv3+)": "LGPL-3.0-only",
    "lgpl-3.0": "LGPL-3.0-only",
    "historical permission notice and disclaimer (hpnd)": "HPND",
}
READ = {  # packages that do not say it, and where it was read
    "pgpq": "MIT",  # LICENSE of its repository
}


def key(name: str) -> str:
    """Return the name of a package as packages are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def standing_on(package: str, extras: Iterable[str], found: Mapping[str, Distribution]) -> set[str]:
    """Return the packages that one needs with some of its extras, whatever those need too; those that are installed."""
    left, done = [(package, frozenset(extras))], set[tuple[str, frozenset[str]]]()
    while left:
        name, wanted = now = left.pop()
        if now in done or name not in found:
            continue
        done.add(now)
        for text in found[name].requires or ():
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": one}) for one in wanted or {""}):
                left.append((key(needed.name), frozenset(needed.extras)))
    return {name for name, _ in done} - {package}


def licences(one: Distribution) -> set[str]:
    """Return the licences of a package by their SPDX names, as far as it says which; what is not known as it is said."""
    about: Any = one.metadata
    if text := about.get("License-Expression"):
        return {part.strip("() ") for part in re.split(r" AND | OR ", text)}
    classified = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or () if line.startswith("License")]
    said = [word for word in classified if word != "OSI Approved"] or [(about.get("License") or "").partition("\n")[0]]
    names = {OLDER.get(word.strip().lower(), word.strip()) for word in said if word.strip()}
    return names or {READ.get(key(about["Name"]), "")}


def unfit(names: Iterable[str], found: Mapping[str, Distribution]) -> dict[str, set[str]]:
    """Return the packages with a licence that is not allowed, with what they say."""
    said = {name: licences(found[name]) for name in names}
    return {name: each for name, each in sorted(said.items()) if not each <= ALLOWED}


def installed(paths: Iterable[str] | None = None) -> dict[str, Distribution]:
    """Return the packages in folders, those of this process when none are named."""
    every = distributions() if paths is None else distributions(path=list(paths))
    return {key(one.metadata["Name"]): one for one in every if one.metadata["Name"]}


def audited(answer: str) -> tuple[list[str], list[str]]:
    """Return the advisories that pip-audit found, and the packages that it could not ask about."""
    every = json.loads(answer)["dependencies"]
    bad = [
        f"{one['name']} {one['version']}: {each['id']}, mended in {', '.join(each['fix_versions']) or 'no version'}"
        for one in every
        for each in one.get("vulns", ())
    ]
    return bad, [
        f"{one['name']}: {one['skip_reason']}" for one in every if one.get("skip_reason") and key(one["name"]) != "bulketl"
    ]


def main(python: str, folder: str) -> int:
    """Look at what is installed beside a Python; write the bill of materials into the folder. Return the exit code."""
    place = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, capture_output=True, text=True
    ).stdout.strip()
    found = installed([place])
    names = standing_on("bulketl", found["bulketl"].metadata.get_all("Provides-Extra") or (), found)
    wrong = unfit(names, found)
    print(f"licences: {len(names)} packages, {len(names) - len(wrong)} allowed")
    for name, said in wrong.items():
        print(f"  {name}: {', '.join(said) or 'it says none'}")
    bill = Path(folder) / "bom.json"
    tools = Path(sys.executable).parent
    subprocess.run(
        [
            str(tools / "cyclonedx-py"),
            "environment",
            "--pyproject",
            "pyproject.toml",
            "--of",
            "JSON",
            "-o",
            str(bill),
            python,
        ],
        check=True,
    )
    print(f"bill of materials: {bill}, {len(json.loads(bill.read_text())['components'])} components")
    done = subprocess.run(
        [str(tools / "pip-audit"), "--path", place, "--format", "json", "--progress-spinner", "off"],
        capture_output=True,
        text=True,
    )
    bad, unknown = audited(done.stdout) if done.stdout.startswith("{") else ([], [done.stderr.strip()[-500:]])
    print(f"advisories: {len(bad)} found; not audited: {len(unknown)}")
    for line in (*bad, *unknown[:5], *(["…"] if len(unknown) > 5 else [])):
        print(f"  {line}")
    return 1 if wrong or bad or unknown else 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
