"""A plan carried out: its run, its schedule, its steps and workers, its events and their summary.

`engine` is a generator of events over an executor: it hands out the steps of `schedule` and is the only one to speak; a
worker gets one small picklable value and returns a result. What a step raises and nobody foresaw is a BugError of its table;
only what says that the run as a whole is over ends it.

A run's locks go with the session that holds them. When that is lost, the driver takes them again before the next step; when
another run came between, it ends. Workers may outlive their driver, so each of their transactions first tries the run's own
lock, shared: had it, the driver is gone, and nothing is written.
"""
