"""A plan carried out: its run, its schedule, its steps and workers, its events and their summary."""
