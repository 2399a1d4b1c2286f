"""What the terminal shows of each result."""
