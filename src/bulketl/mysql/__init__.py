"""The source: MySQL or MariaDB, from which rows are read and in which nothing is changed.

`session` opens every session of every driver and sets all that rows depend on. Rows are read by connectorx, a query per
call and thread; a large table without a key by a process of its own into an Arrow file (`stream`), because connectorx's
stream holds the interpreter's lock while it waits and queues without bound when its reader is slower than the server.

Several readers see one moment so (`locks`): the driver locks the table, hands out all its ranges at once, and polls for the
named lock that each reader's session takes right after it has begun a transaction with a consistent snapshot; then it
unlocks, some 20 ms later. A snapshot lives as long as its connection and connectorx keeps none, so there are as many ranges
as readers. When one fails, all are read again.
"""
