"""`python -m bulketl`."""

from bulketl.cli import main

main()
