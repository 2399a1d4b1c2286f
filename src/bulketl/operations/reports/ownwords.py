"""A user's own templates: the folder they are in, and what is wrong with one, told by its name and line."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path

from jinja2 import TemplateNotFound, TemplateSyntaxError, UndefinedError

from bulketl.config import templates
from bulketl.config.config import Config
from bulketl.errors import ConfigError

HINT = "correct it, or take it out of the folder; docs/reports.md says what templates are given"


def folder_of(config: Config) -> Path | None:
    """Return the folder of the user's templates, None without one. Raise ConfigError when it is not there."""
    folder = templates.folder_of(config)
    if folder is not None and not folder.is_dir():
        raise ConfigError(
            f"reports.templates: there is no folder {str(folder)!r}",
            hint="name a folder that exists: an absolute path, or one from where the command runs",
        )
    return folder


@contextlib.contextmanager
def naming(config: Config, template: str) -> Iterator[None]:
    """Raise ConfigError for what goes wrong in a template of the user's; what goes wrong in ours is a mistake of ours."""
    folder = folder_of(config)
    try:
        yield
    except Exception as error:
        if folder is None or (where := _where(error, folder)) is None:
            raise
        what, ours = _what(error), isinstance(error, (RecursionError, TemplateNotFound))
        hint = f'ours is extended by its whole name, {{% extends "bulketl/{template}" %}}' if ours else HINT
        raise ConfigError(f"the template {where} is wrong: {what}", hint=hint, said=what) from None


def _where(error: Exception, folder: Path) -> str | None:
    """Return the file and line in the user's folder that an error is of, None where it is of none."""
    root = folder.resolve()
    if isinstance(error, TemplateSyntaxError):
        name = Path(error.filename or "").resolve()
        return f"{name}, line {error.lineno}" if name.is_relative_to(root) else None
    if isinstance(error, (UnicodeDecodeError, OSError)) and not isinstance(error, TemplateNotFound):
        unread = [file for file in sorted(root.glob("**/*")) if file.is_file() and not _is_text(file)]
        return str(unread[0]) if unread else None
    every = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in every if Path(frame.filename).resolve().is_relative_to(root)]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else None


def _is_text(file: Path) -> bool:
    try:
        file.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError):
        return False
    return True


def _what(error: Exception) -> str:
    match error:
        case TemplateSyntaxError():
            return error.message or "its syntax"
        case UndefinedError():
            return f"{error.message or 'a name'}, so the report has nothing to put there"
        case TemplateNotFound():
            return f"there is no template {error.message!r}"
        case RecursionError():
            return "it extends or includes itself"
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case OSError():
            return f"it cannot be read: {error.strerror}"
        case _:
            return f"{type(error).__name__}: {error}"
