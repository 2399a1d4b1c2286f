"""The source: MySQL or MariaDB, from which rows are read and in which nothing is changed."""
