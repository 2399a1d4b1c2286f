"""Capacity: when the window, an integer key, the source's connections or the disk will be full, by what is on record."""
