"""Rows in memory, and what both servers can compute of them alike: coerced, checked, hashed, summed, counted."""
