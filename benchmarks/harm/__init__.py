"""What a load does to a source that others work on meanwhile."""
