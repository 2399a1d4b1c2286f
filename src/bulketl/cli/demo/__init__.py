"""The demo: two throw-away servers, a small clinic, and the real command line between them."""
