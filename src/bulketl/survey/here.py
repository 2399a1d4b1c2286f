"""Whether the things on this machine exist that `bulketl.yaml` names: programs, callables, services of apprise, folders.

No program is started except Python, which imports the module of a callable in a separate process and calls nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from bulketl.config.alerts import Alerts
from bulketl.config.config import Config
from bulketl.config.hooks import Hook
from bulketl.config.metrics import Metrics
from bulketl.connections.commands import calling, carry_out, label
from bulketl.survey.findings import Finding
from bulketl.tables.printable import in_a_line, shortened

IMPORT_SECONDS = 60.0
LONGEST = 200  # characters of what Python says
Missing = tuple[str, str, str]  # what is missing, what follows, what to do
CALLED_NEVER = "the load goes on without it, and says each time that it failed"
REACHES_NOBODY = "whoever is to hear by it hears nothing"


def missing_here(config: Config) -> tuple[Missing, ...]:
    """Return what the configuration names and this machine has not."""
    of_hooks = (found for n, hook in enumerate(config.hooks) for found in _of_hook(n, hook))
    of_metrics = _of_metrics(config.metrics) if config.metrics else ()
    return (*of_hooks, *(_of_channels(config.alerts) if config.alerts else ()), *of_metrics)


def found_here(config: Config) -> tuple[Finding, ...]:
    """Return the same as findings, for who has no server to look at."""
    return tuple(Finding("bulketl.yaml", "error", *one, kind="not here") for one in missing_here(config))


def _of_hook(number: int, hook: Hook) -> Iterator[Missing]:
    where = f"hooks.{number} ({hook.label})"
    if hook.run and shutil.which(hook.run[0]) is None:
        yield f"{where}: there is no program {label(hook.run)!r}", CALLED_NEVER, _program(hook.run[0])
    if hook.call:
        ran = carry_out(calling(hook.call, only_look=True), "", IMPORT_SECONDS)
        if ran.code != 0:
            said = shortened(in_a_line(ran.last or ran.how), LONGEST)
            yield (
                f"{where}: it cannot be imported: {said}", CALLED_NEVER,
                "correct its name, install it for the Python that runs bulketl, or put its folder on PYTHONPATH",
            )  # fmt: skip


def _of_channels(alerts: Alerts) -> Iterator[Missing]:
    if alerts.command and shutil.which(alerts.command[0]) is None:
        what = f"alerts.command: there is no program {label(alerts.command)!r}"
        yield what, REACHES_NOBODY, _program(alerts.command[0])
    if not alerts.apprise:
        return
    if find_spec("apprise") is None:
        yield "alerts.apprise: apprise is not installed", REACHES_NOBODY, "install bulketl[alerts]"
        return
    import apprise

    for n, url in enumerate(alerts.apprise):
        if apprise.Apprise.instantiate(url, suppress_exceptions=True) is None:
            yield (
                f"alerts.apprise.{n}: apprise knows no such URL", REACHES_NOBODY,
                "correct it; `apprise --details` lists the services and their URLs",
            )  # fmt: skip


def _of_metrics(metrics: Metrics) -> Iterator[Missing]:
    folder = Path(metrics.textfile).parent
    nothing = "each run goes on without them, and warns"
    if not folder.is_dir():
        yield f"metrics.textfile: there is no folder {folder}", nothing, "make it, or name another file"
    elif not os.access(folder, os.W_OK | os.X_OK):
        what = "let bulketl's user write there, or name another file"
        yield f"metrics.textfile: nothing can be written into {folder}", nothing, what


def _program(word: str) -> str:
    return "correct its path" if "/" in word else "install it, or name it by its path: the PATH of a scheduler is short"
