"""`bulketl` without the second between two looks at rows that differ: it is spent once per table, and costs no row more.

At 10,000 rows all of it is idle, at 1,000,000 work hides it, so seconds with it say nothing of what a further row costs.
"""

from __future__ import annotations

from bulketl.cli.app import main
from bulketl.verifying import looks

if __name__ == "__main__":
    looks.PAUSE_SECONDS = 0.0
    main()
