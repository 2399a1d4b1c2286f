"""What a scheduler needs to start a load when its window opens: systemd, cron, Airflow. Text, made from the configuration.

bulketl has no scheduler of its own.
"""

from __future__ import annotations

import datetime as dt
import re
import shlex
from collections.abc import Sequence
from typing import Literal

from bulketl.config.windows import DAYS, Windows, parse_window
from bulketl.errors import ConfigError
from bulketl.tables.printable import in_a_line

Scheduler = Literal["systemd", "cron", "airflow"]
SCHEDULERS: tuple[Scheduler, ...] = ("systemd", "cron", "airflow")


def snippet(kind: Scheduler, windows: Windows, folder: str, load: Sequence[str] = ("bulketl", "load")) -> str:
    """Return the text for one scheduler: a load at the begin of the window, in its zone, run in `folder`.

    `load`: the words of the command. A run that was stopped is taken up by the first of two commands: `--resume last`
    ends with 2 when there is none. Raise ConfigError for what a scheduler would not read as it is.
    """
    _check(kind, folder, load)
    begin, _, zone = parse_window(windows.load)
    return {"systemd": _systemd, "cron": _cron, "airflow": _airflow}[kind](begin, windows, str(zone), folder, load)


def ticking(kind: Scheduler, folder: str, tick: Sequence[str]) -> str:
    """Return the text for one scheduler that does what alerts are due, every minute, in `folder`; '' for Airflow.

    `tick`: the words of the command. Airflow is no timer, and may be what is down.
    """
    _check(kind, folder, tick)
    if kind == "cron":
        line = f"cd {shlex.quote(folder)} && {shlex.join(tick)} >> bulketl.log 2>&1".replace("%", "\\%")
        return f"# alerts that are due, also of loads that were killed\n* * * * * {line}\n"
    return _TICKING.format(folder=folder.replace("%", "%%"), command=_command(tick)) if kind == "systemd" else ""


def _check(kind: Scheduler, folder: str, words: Sequence[str]) -> None:
    """Raise ConfigError for a folder or a word that would not be read as it is: a line feed begins another job."""
    for text in (folder, *words):
        if in_a_line(text) != text:
            raise ConfigError(
                f"{text!r} has a character that ends a line or is not seen, and {kind} would not read it as it is",
                hint="rename the folder or the file, and run the command again",
            )
    if kind == "systemd" and folder != folder.strip().rstrip("\\"):
        raise ConfigError(
            f"the folder {folder!r} ends in what systemd takes for something else", hint="rename it, or run it in another"
        )


_TICKING = """# /etc/systemd/system/bulketl-alerts.service
[Unit]
Description=bulketl alerts that are due
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory={folder}
EnvironmentFile=/etc/bulketl.env
ExecStart={command}

# /etc/systemd/system/bulketl-alerts.timer
[Unit]
Description=bulketl alerts every minute

[Timer]
OnCalendar=*-*-* *:*:00
AccuracySec=1s

[Install]
WantedBy=timers.target

# systemctl enable --now bulketl-alerts.timer
"""


def _command(words: Sequence[str]) -> str:
    program = "" if re.fullmatch(r"/[\w./+@-]+", words[0]) else "/usr/bin/env "  # an odd path is no program to systemd
    return program + " ".join(_quoted(word) for word in words)


def _systemd(begin: dt.time, windows: Windows, zone: str, folder: str, load: Sequence[str]) -> str:
    command = _command(load)
    days = ",".join(day.capitalize() for day in windows.days)
    return f"""# /etc/systemd/system/bulketl.service
[Unit]
Description=bulketl load
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory={folder.replace("%", "%%")}
# BULKETL_SOURCE and BULKETL_TARGET; readable by root only
EnvironmentFile=/etc/bulketl.env
ExecStartPre=-{command} --resume last
ExecStart={command} --json
# 3: only tables failed whose tier warns; 4: stopped at the end of the window, to be resumed
SuccessExitStatus=3 4

# /etc/systemd/system/bulketl.timer
[Unit]
Description=bulketl load in its window

[Timer]
OnCalendar={days} *-*-* {begin:%H:%M}:00 {zone}
Persistent=false

[Install]
WantedBy=timers.target

# systemctl enable --now bulketl.timer
"""


def _quoted(word: str) -> str:
    """Return a word of a command line as systemd reads it."""
    word = word.replace("%", "%%").replace("$", "$$")
    if word and not any(letter.isspace() or letter in "\"'\\;" for letter in word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _cron(begin: dt.time, windows: Windows, zone: str, folder: str, load: Sequence[str]) -> str:
    command = shlex.join(load)
    line = f"cd {shlex.quote(folder)} && {{ {command} --resume last; {command} --json; }} >> bulketl.log 2>&1"
    line = line.replace("%", "\\%")  # else it ends the command
    days = ",".join(str((DAYS.index(day) + 1) % 7) for day in windows.days)
    return f"""# crontab -e; CRON_TZ is known to cronie, elsewhere the times are those of the machine
CRON_TZ={zone}
# BULKETL_SOURCE and BULKETL_TARGET have to be set here, too, or in config/bulketl.yaml
{begin.minute} {begin.hour} * * {days} {line}
"""


def _airflow(begin: dt.time, windows: Windows, zone: str, folder: str, load: Sequence[str]) -> str:
    command = shlex.join(load)
    warned = "{ code=$?; [ $code = 3 ] || [ $code = 4 ] || exit $code; }"
    line = f"cd {shlex.quote(folder)} && {{ {command} --resume last || true; }} && {{ {command} --json || {warned}; }}"
    line = re.sub(r"\{(?=[{%#])", "{{ '{' }}", line)  # Airflow reads it as a template of Jinja's
    days = ",".join(str((DAYS.index(day) + 1) % 7) for day in windows.days)
    return f'''# dags/bulketl_load.py
import pendulum
from airflow.providers.standard.operators.bash import BashOperator  # Airflow 2: airflow.operators.bash
from airflow.sdk import DAG  # Airflow 2: from airflow import DAG

with DAG(
    "bulketl_load",
    schedule="{begin.minute} {begin.hour} * * {days}",
    start_date=pendulum.datetime(2026, 1, 1, tz="{zone}"),
    catchup=False,
    max_active_runs=1,
):
    # 3: only tables failed whose tier warns; 4: stopped at the end of the window. Neither fails the task.
    BashOperator(
        task_id="load",
        bash_command={line!r},
        append_env=True,
    )
'''
