"""What a person wrote: `bulketl.yaml`, `tables.yaml` and `checks.yaml`, typed, with every mistake and its line."""
