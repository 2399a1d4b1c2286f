"""The scenario `soak`: many nights in a row on a source that changes, and what must stay flat meanwhile."""
