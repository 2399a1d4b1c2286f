"""Telling people what went wrong: troubles become incidents, incidents become messages, and channels carry messages.

`causes` says which events are troubles and what ends them, and `look` does so for the ledger. `machine` says what becomes
of an incident, by the policies of its tier. A book keeps incidents and their messages, in the ledger or in a spool of
files, and sends them. `tick` does everything that is due, called by a timer or by a load's own `lookout`. `words` has
what people read.
"""
