"""Who hears of what went wrong: troubles become incidents, incidents messages, and messages go by channels.

`causes` says which events are trouble and what ends it, `look` what in the ledger is; `machine` what becomes of an incident,
by the policies of its tier. A book keeps incidents and their messages, in the ledger or in a spool of files, and sends them.
`tick` does all that is due, from a timer or from a load's own `lookout`. `words` are what people read.
"""
