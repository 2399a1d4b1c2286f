"""What will be done to each table, and why: decided from what was seen, and opening nothing."""
