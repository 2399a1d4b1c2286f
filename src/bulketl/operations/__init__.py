"""The days after a load: what is on record, rejected rows, retention, and what is handed over to schedulers."""
