"""The target, and the ledger in it."""
