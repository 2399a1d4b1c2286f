"""What every connection needs, to whichever server: TLS, an end to waiting, and another try."""
