"""How a row of the schema is written, and what a table of rows is."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


def key(
    title: str,
    meaning: str,
    *,
    unit: str = "",
    default: str = "none",
    required: bool = False,
    value: Any = None,
    written: str = "",
    record: str = "",
    effect: str,
    examples: list[Any],
    **limits: Any,
) -> Any:
    """One row of the table.

    default: what holds when the key is omitted, in words; value: the same for the program (None: decided later).
    written: where its value ends up on the machine; effect: when a changed value takes effect.
    record:  of a server or the policy: the key of the node record that holds the value as it stands here, and nothing else
             has to be done. In Timeouts a server's own value wins.
    limits:  pydantic's own (ge, le, min_length, max_length).
    """
    extra: dict[str, Any] = {
        "x-unit": unit,
        "x-default": "" if required else default,
        "x-written": written or f"{record} of each node record of the server",
        "x-effect": effect,
    }
    if record:
        extra["x-record"] = record
    choice = {} if required else {"default": value}
    return Field(title=title, description=meaning, examples=examples, json_schema_extra=extra, **choice, **limits)


class Table(BaseModel):
    """A table of the configuration. `WORD` is the key that a bare text stands for, where one is taken."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_assignment=True, arbitrary_types_allowed=True)
    WORD: ClassVar[str] = ""


def table_of(field: FieldInfo) -> tuple[type[Table] | None, Any]:
    """(the table that a field holds or None, the type of its names or None if it holds one table only)."""
    for part in _parts(field.annotation):
        if isinstance(part, type) and issubclass(part, Table):
            return part, None
        arguments: tuple[Any, ...] = getattr(part, "__args__", ())
        if getattr(part, "__origin__", None) is dict and issubclass(arguments[1], Table):
            return arguments[1], arguments[0]
    return None, None


def _parts(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    if isinstance(annotation, type) or getattr(annotation, "__origin__", None) is dict:
        return (annotation,)
    return getattr(annotation, "__args__", ())
