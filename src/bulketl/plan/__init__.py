"""What will be done to each table, and why: decided from what was seen, and opening nothing.

`selection` says which tables are asked for, `specify` makes the spec of one, `decision` all of the plan. A table is read by
its changes only while all that its watermark stands for still holds; `incremental` is the list of what can break, each a
reason that the plan shows. `ownership` refuses a table that bulketl did not make; `absences` fails what is out of view.
"""
