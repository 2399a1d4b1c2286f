"""The `bulketl` command with every small table in a group of its own: what the groups are compared with."""

from __future__ import annotations

from bulketl.cli.app import main
from bulketl.plan import grouping

if __name__ == "__main__":
    grouping.GROUP_TABLES = 1
    main()
