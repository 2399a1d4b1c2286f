"""What is not normal of tables and runs: found from what is on record, kept in the ledger, told by loads and alerts."""
