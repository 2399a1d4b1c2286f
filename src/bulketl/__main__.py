"""`python -m bulketl`."""

from bulketl.cli.app import main

main()
