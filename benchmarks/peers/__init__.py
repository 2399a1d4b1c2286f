"""bulketl beside other programs that bring MySQL's tables into Postgres, each in the best settings that it documents."""
