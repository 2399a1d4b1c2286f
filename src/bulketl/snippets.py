"""What a scheduler needs to start a load when its window opens: systemd, cron, Airflow. Text, made from the configuration.

bulketl has no scheduler of its own.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from bulketl.settings import DAYS, Windows, parse_window

Kind = Literal["systemd", "cron", "airflow"]
KINDS: tuple[Kind, ...] = ("systemd", "cron", "airflow")
_COMMAND = "bulketl load --json"


def snippet(kind: Kind, windows: Windows, folder: str) -> str:
    """Return the text for one scheduler: a load at the begin of the window, in its zone, run in `folder`.

    A run that was stopped is taken up by the first of two commands: `--resume last` ends with 2 when there is none.
    """
    begin, _, zone = parse_window(windows.load)
    return {"systemd": _systemd, "cron": _cron, "airflow": _airflow}[kind](begin, windows, str(zone), folder)


def _systemd(begin: dt.time, windows: Windows, zone: str, folder: str) -> str:
    days = ",".join(day.capitalize() for day in windows.days)
    return f"""# /etc/systemd/system/bulketl.service
[Unit]
Description=bulketl load
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory={folder}
# BULKETL_SOURCE and BULKETL_TARGET; readable by root only
EnvironmentFile=/etc/bulketl.env
ExecStartPre=-/usr/bin/env bulketl load --resume last
ExecStart=/usr/bin/env {_COMMAND}
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


def _cron(begin: dt.time, windows: Windows, zone: str, folder: str) -> str:
    days = ",".join(str((DAYS.index(day) + 1) % 7) for day in windows.days)
    return f"""# crontab -e; CRON_TZ is known to cronie, elsewhere the times are those of the machine
CRON_TZ={zone}
{begin.minute} {begin.hour} * * {days} cd {folder} && {{ bulketl load --resume last; {_COMMAND}; }} >> bulketl.log 2>&1
"""


def _airflow(begin: dt.time, windows: Windows, zone: str, folder: str) -> str:
    days = ",".join(str((DAYS.index(day) + 1) % 7) for day in windows.days)
    return f'''# dags/bulketl_load.py
import pendulum
from airflow import DAG
from airflow.operators.bash import BashOperator

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
        bash_command="cd {folder} && (bulketl load --resume last || true) && {_COMMAND} || [ $? -ge 3 ]",
        append_env=True,
    )
'''
