"""What will be done to each table, and why: decided from what was seen, without opening anything.

`selection` says which tables a person asks for, `specify` makes the spec of one table, and `decision` makes the whole
plan. A table is read by its changes only while everything still holds that its watermark depends on; `incremental` lists
what can break, and the plan shows each as a reason. `ownership` refuses a table that bulketl did not make; `absences`
fails what is out of view.
"""
