"""What the terminal shows of a load while it runs: told of events, and unable to change, slow or stop it."""
