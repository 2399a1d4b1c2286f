"""Who hears of a load besides the screen: alerts, the heartbeat, traces, and lineage, each where it is asked for."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import bulketl
from bulketl.cli.options import err
from bulketl.errors import BulketlError

if TYPE_CHECKING:
    from bulketl.config.config import Config
    from bulketl.loading.events import Observer
    from bulketl.verifying.verdicts import Verification


def tell_verification(settings: Config, found: Verification) -> None:
    """Have people hear of tables that differ; no verification fails for want of that."""
    try:
        bulketl.alert_verification(settings, found)
    except BulketlError as error:
        logging.getLogger("bulketl").warning("alerts: %s", error.public)


@contextmanager
def listening(settings: Config, *, whole: bool, resumed: bool) -> Iterator[list[Observer]]:
    """Give the observers of a load; `whole`: it is of no choice of tables or rows, so the heartbeat may count it.

    `resumed`: it goes on with another one. Schedulers ask for that before each load, and nobody has to hear that there is
    nothing to go on with.
    """
    attended = err.is_terminal or resumed
    with ExitStack() as stack:
        observers: list[Observer] = []
        if settings.alerts is not None:
            observers.append(stack.enter_context(bulketl.alerting(settings, attended=attended)))
            if whole and settings.alerts.heartbeat is not None:
                observers.append(stack.enter_context(bulketl.beating(settings, attended=attended)))
        asked = any(name.startswith("OTEL_") for name in os.environ)  # else nothing of it is imported
        if asked and (trace := stack.enter_context(bulketl.traced(os.environ))):
            observers.append(trace)
        if settings.openlineage is not None and (told := stack.enter_context(bulketl.lineage(settings))):
            observers.append(told)
        yield observers
