"""What the terminal shows of a load while it runs."""
