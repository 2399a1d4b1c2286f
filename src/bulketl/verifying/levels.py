"""Comparing tables at the requested level, several at once."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from bulketl.errors import BulketlError
from bulketl.survey.stages import Tell, silent
from bulketl.verifying.counts import count_tables
from bulketl.verifying.keyed import compare_keyed
from bulketl.verifying.keyless import compare_keyless
from bulketl.verifying.request import Request
from bulketl.verifying.servers import Both
from bulketl.verifying.sums import compare_sums
from bulketl.verifying.tasks import Found, Task


def compare_tables(both: Both, request: Request, tasks: Sequence[Task], tell: Tell = silent) -> list[Found]:
    """Return what is found of each table, in the order given; what cannot be compared has its problem already.

    `tell` hears of each table that is done.
    """
    able = [_at_level(request, task) for task in tasks if not task.verdict.problem or task.comparable]
    ended = itertools.count(1)

    def compared(task: Task) -> Found:
        found = compare_table(both, request, task, tell=tell)
        tell("comparing", next(ended), len(able))
        return found

    tell("counting" if request.level == "count" else "comparing", 0, len(able))
    if request.level == "count":
        every = count_tables(both, able)
    else:
        with ThreadPoolExecutor(both.at_once, thread_name_prefix="bulketl-verify") as threads:
            every = list(threads.map(compared, able))
    found = {one.verdict.table: one for one in every}
    return [found.get(task.verdict.table) or Found(task.verdict, task) for task in tasks]


def compare_table(both: Both, request: Request, task: Task, only: Sequence[str] | None = None, tell: Tell = silent) -> Found:
    """Return what is found of one table, in some buckets only if they are named; an error is its problem."""
    began, task = time.monotonic(), _at_level(request, task)
    try:
        if request.level == "sums":
            found = compare_sums(both, request, task)
        elif task.spec.key:
            found = compare_keyed(both, request, task, only, tell)
        else:
            found = compare_keyless(both, request, task, only)
    except BulketlError as error:
        found = Found(dataclasses.replace(task.verdict, problem=error.message), task)
    verdict = dataclasses.replace(found.verdict, seconds=round(time.monotonic() - began, 3))
    return dataclasses.replace(found, verdict=verdict)


def _at_level(request: Request, task: Task) -> Task:
    return dataclasses.replace(task, verdict=dataclasses.replace(task.verdict, level=request.level))
