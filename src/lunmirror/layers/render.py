"""View -> text, by a jinja2 template of a layer. jinja2 is imported only when a file must be written: it costs more
than all the rest of a run that finds nothing to do.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

WHITE = " \t\n\v\f\r"  # isspace() of the C locale, what the readers of our files strip


class Unwritable(ValueError):
    """A value that the written file could not give back as it is."""


def fault(text: str, shorter_than: int) -> str:
    """Why `text` cannot stand in one line as a field of fewer than `shorter_than` bytes; '' if it can."""
    if not text:
        return "it is empty"
    if "\n" in text or "\0" in text:
        return "it holds a line break or a NUL"
    if text != text.strip(WHITE):
        return "it begins or ends with white space"
    if len(text.encode("utf-8", "surrogateescape")) >= shorter_than:
        return f"it is {shorter_than} bytes or longer"
    return ""


def field(text: str, shorter_than: int) -> str:
    """The filter of the same name: passes `text` on, or raises Unwritable. Never repeats the text: it may be a
    secret."""
    if why := fault(text, shorter_than):
        raise Unwritable(why)
    return text


def render(template: str, **view: Any) -> str:
    """The text of `template` (a path below layers/, "node/templates/record.j2"). Raises Unwritable, and
    jinja2.UndefinedError if the view lacks a name that the template uses."""
    return _environment().get_template(template).render(view)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(f"{__file__.rpartition('/')[0]}"),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["field"] = field
    return environment
