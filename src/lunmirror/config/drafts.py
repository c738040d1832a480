"""From tables to the schema's types, one value at a time: a wrong value spoils itself and nothing else.

pydantic would stop judging a whole table at its first fault of structure. Here every field is judged by itself;
the draft of a table then has all its right values, and None where a value is missing or wrong. So the cross-checks
can run over everything else, and one run reports everything.
"""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from lunmirror.config import schema
from lunmirror.config.problems import InvalidValue, Key, Problems, quoted, shown

_NOWHERE = "no key of that name is known here"
# Keys that people reach for, and what they should have found.
_MEANT = {
    "password": "the secret stands in a file of its own: password_file",
    "iqn": "the name of the target is `target`",
    "portal": "write portals, a list",
    "address": "write portals, a list",
    "fs": "write filesystem",
    "mountpoint": "write mount",
    "timeout": "write replacement_timeout",
}


def draft(model: type[schema.Table], raw: Any, key: Key, problems: Problems) -> Any:
    """An instance of the model with what is right, or None if `raw` is no table at all."""
    if isinstance(raw, str) and model.WORD:
        raw = {model.WORD: raw}
        key_of_word: Key | None = key
    else:
        key_of_word = None
    if not isinstance(raw, dict):
        _not_a_table(model, raw, key, problems)
        return None
    fields = model.model_fields
    made = model.model_construct(**{name: None for name, field in fields.items() if field.is_required()})
    for name in raw:
        if name not in fields:
            _unknown(name, fields, (*key, name), problems)
    for name, field in fields.items():
        at = key_of_word or (*key, name)
        if name in raw:
            _fill(made, name, raw[name], at, problems)
        elif field.is_required():
            problems.add(
                key, f"{name} is missing", why=_sentence(field.description), next=f"add {_example(name, field)}"
            )
    return made


def _fill(made: schema.Table, name: str, value: Any, key: Key, problems: Problems) -> None:
    field = type(made).model_fields[name]
    table, name_type = schema.table_of(field)
    if table is None:
        if name == "settings":
            _each_setting(value, key, problems)
            if problems.touch(key):
                return
        _assign(made, name, value, key, problems)
    elif name_type is None:
        made.__dict__[name] = draft(table, value, key, problems)
    elif not isinstance(value, dict):
        _not_a_table(None, value, key, problems)
    else:
        judge = TypeAdapter(name_type)
        made.__dict__[name] = {
            own: draft(table, content, (*key, own), problems)
            for own, content in value.items()
            if _right_name(judge, own, (*key, own), problems)
        }


def _right_name(judge: TypeAdapter[Any], name: str, key: Key, problems: Problems) -> bool:
    try:
        judge.validate_python(name)
    except ValidationError as error:
        _translate(error, key, None, problems)
    return True  # the rest of the table is judged all the same


def _each_setting(value: Any, key: Key, problems: Problems) -> None:
    """Judge the free settings one by one; pydantic would see them as one value."""
    from lunmirror.config import settings

    if not isinstance(value, dict):
        return
    for name, content in value.items():
        for judge, given in ((settings.key, name), (settings.value, content)):
            if judge is settings.key and isinstance(content, dict):
                continue  # unquoted dots: the value's message says so
            try:
                judge(given)
            except InvalidValue as wrong:
                problems.add_wrong((*key, name), wrong)


def _assign(made: schema.Table, name: str, value: Any, key: Key, problems: Problems) -> None:
    try:
        setattr(made, name, value)
    except ValidationError as error:
        _translate(error, key, type(made).model_fields[name], problems)


def _translate(error: ValidationError, key: Key, field: Any, problems: Problems) -> None:
    for fault in error.errors(include_url=False):
        at = key + tuple(part for part in fault["loc"][1:] if isinstance(part, int))
        wrong = fault.get("ctx", {}).get("error")
        if isinstance(wrong, InvalidValue):
            problems.add_wrong(at, wrong)
            continue
        example = _example(str(key[-1]), field)
        problems.add(at, _what(fault), why=_sentence(field.description), next=f"for example {example}")


def _what(fault: Any) -> str:
    """pydantic's kinds of fault as sentences."""
    given, about = shown(fault["input"]), fault.get("ctx", {})
    sentences = {
        "literal_error": f"must be {about.get('expected', '')}, not {given}".replace("'", '"'),
        "int_type": f"must be a whole number without quotes, not {given}",
        "bool_type": f"must be true or false, without quotes, not {given}",
        "list_type": f"must be a list in brackets, not {given}",
        "greater_than_equal": f"must be {about.get('ge')} or more, not {given}",
        "less_than_equal": f"must be {about.get('le')} or less, not {given}",
        "too_short": "is an empty list, and must name at least one",
        "too_long": f"has {about.get('actual_length')} items; at most {about.get('max_length')} are taken",
        "int_parsing_size": f"must be a smaller number than {given}",
    }
    return sentences.get(fault["type"], f"cannot be {given}")


def _not_a_table(model: type[schema.Table] | None, raw: Any, key: Key, problems: Problems) -> None:
    kind = "a table" if model is None or not model.WORD else "a text or a table"
    header = "write it as [header] with keys below, or as { key = value }"
    problems.add(key, f"must be {kind}, not {shown(raw)}", next=header)


def _unknown(name: str, fields: Any, key: Key, problems: Problems) -> None:
    near = problems.nearest(name, fields)
    if name in _MEANT:
        next = _MEANT[name]
    elif near:
        next = f"did you mean {near}?"
    elif elsewhere := _elsewhere(name):
        next = f"it belongs under {elsewhere}"
    else:
        next = f"known here: {', '.join(sorted(fields))}"
    problems.add(key, f"{quoted(name)} is not a known key", why=_NOWHERE, next=next)


def _elsewhere(name: str) -> str:
    """The tables that do take a key of this name, as headers: a table at the wrong level is a common slip."""
    from lunmirror.config.explanation import keys  # it needs this module

    tables = dict.fromkeys(
        pattern.rpartition(".")[0] for pattern, _ in keys() if pattern.rpartition(".")[2] == name and "." in pattern
    )
    headers = [
        f"[{table.replace('*', 'NAME')}{f'.{name}.NAME' if name in ('volumes', 'disks') else ''}]" for table in tables
    ]
    return " or ".join(headers[:3])


def _sentence(text: str | None) -> str:
    """The first sentence of a description."""
    return (text or "").split(". ")[0].rstrip(".")


def _example(name: Any, field: Any) -> str:
    return f"{name} = {toml(field.examples[0])}"


def toml(value: Any) -> str:
    """One example value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, dict):
        pairs = (f"{_toml_key(name)} = {toml(item)}" for name, item in value.items())
        return "{ " + ", ".join(pairs) + " }"
    return f'"{value}"'


def _toml_key(name: str) -> str:
    return f'"{name}"' if "." in name else name
