"""Installs the programs that `nox -s integrations` has read what bulketl writes, from the system's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PROGRAMS = {"promtool": "prometheus", "pgbouncer": "pgbouncer"}  # and the Debian package that each is in


def main() -> None:
    """Install what is missing, or end with what to type."""
    lacks = [
        package
        for name, package in PROGRAMS.items()
        if shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None
    ]
    if not lacks:
        return
    if os.geteuid() or shutil.which("apt-get") is None:
        sys.exit(f"not on this machine: apt-get install -y --no-install-recommends {' '.join(lacks)}")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # no service of it is started
    subprocess.run(["apt-get", "update", "-qq"], env=environ, check=False)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *lacks], env=environ, check=True)


if __name__ == "__main__":
    main()
