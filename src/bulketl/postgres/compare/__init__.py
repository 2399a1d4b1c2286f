"""The target's side of a comparison: rows, hashes and figures, by the key or without one."""
