"""A user's own templates of reports: which names are taken, and which files in the folder no report takes.

The names are those of bulketl's own templates, and of what they include; a user's may include others of the folder.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import NamedTuple

from bulketl.config.config import Config

# What is asked for by name when a report is told; a test compares them with bulketl's own.
TAKEN = (
    "compliance-mail.html", "compliance-mail.txt", "compliance.html", "compliance.md", "daily-mail.html", "daily-mail.txt",
    "daily.html", "daily.md", "incident-mail.html", "incident-mail.txt", "incident.html", "incident.md", "run-mail.html",
    "run-mail.txt", "run.html", "run.md", "weekly-mail.html", "weekly-mail.txt", "weekly.html", "weekly.md",
)  # fmt: skip
INCLUDED = (
    "coming.html",
    "limits.html", "macros.html", "mail.html", "mailparts.html", "ofrun.html", "report.html", "sprite.html", "strips.html",
)  # fmt: skip


class IdleTemplate(NamedTuple):
    """A file that no report takes: what is said of it, what to do; `misspelt`: its name is nearly that of one."""

    what: str
    advice: str
    misspelt: bool


def folder_of(config: Config) -> Path | None:
    """Return the folder of the user's templates as it is named, None without one."""
    if config.reports is None or config.reports.templates is None:
        return None
    return Path(config.reports.templates).expanduser()


def idle(config: Config) -> list[IdleTemplate]:
    """Return the files in the user's folder that no report takes, by name; hidden ones are nobody's templates."""
    folder = folder_of(config)
    if folder is None or not folder.is_dir():
        return []
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    files = {name for name in files if not any(part.startswith(".") for part in name.split("/")) and not name.endswith("~")}
    reached, waiting = set[str](), sorted(files.intersection((*TAKEN, *INCLUDED)))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += files.intersection(_included(folder / name))
    return [_idle(name) for name in sorted(files - reached)]


def _included(file: Path) -> set[str]:
    """Return the templates that one extends, includes or imports; none where it cannot be read: its report says so."""
    from jinja2 import Environment, TemplateSyntaxError, meta

    try:
        tree = Environment(autoescape=True).parse(file.read_text(encoding="utf-8"))
    except (TemplateSyntaxError, UnicodeDecodeError, OSError):
        return set()
    return {name for name in meta.find_referenced_templates(tree) if name is not None}


def _idle(name: str) -> IdleTemplate:
    close = difflib.get_close_matches(name.lower(), TAKEN, n=1, cutoff=0.75)
    if close:
        return IdleTemplate(f"no report takes {name!r}", f"did you mean {close[0]!r}? Give it that name", True)
    return IdleTemplate(
        f"no report takes {name!r}", "give it the name of one of ours, which docs/reports.md has, or take it away", False
    )
