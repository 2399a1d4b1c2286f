"""Rows written into the target: staged, merged, published, guarded and counted where they are written."""
