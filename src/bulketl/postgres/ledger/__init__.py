"""What bulketl knows of its own work, in the schema `bulketl` of the target; only this room knows its columns."""
