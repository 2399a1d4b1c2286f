"""What the terminal shows of each result, a screen for each kind."""
