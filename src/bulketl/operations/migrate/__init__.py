"""From an older pipeline to bulketl, table by table, and back."""
