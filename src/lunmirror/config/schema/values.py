"""The kinds of values that a key may have: who judges each, and how the JSON Schema describes it to an editor."""

from functools import partial
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from lunmirror.config import exports, mountoptions, names, portals, settings, units, watchers


def string(**schema: str | int) -> WithJsonSchema:
    """A value that is written as a text in TOML."""
    return WithJsonSchema({"type": "string", **schema})


def word(*words: str) -> WithJsonSchema:
    """One of a few words, where a table could stand as well: for editors; the table's own type judges it."""
    return WithJsonSchema({"type": "string", "enum": list(words)})


def _seconds(least: int, most: int) -> PlainValidator:
    return PlainValidator(partial(units.duration, least=least, most=most))


_DURATION = string(pattern=units.DURATION_PATTERN)

Duration = Annotated[Any, _seconds(0, units.LONGEST), _DURATION]
ReplacementTimeout = Annotated[Any, _seconds(0, units.LONGEST), _DURATION]
Ping = Annotated[Any, _seconds(0, 600), _DURATION]
LoginTimeout = Annotated[Any, _seconds(1, 600), _DURATION]
CommandTimeout = Annotated[Any, _seconds(1, units.LONGEST), _DURATION]
BootWait = Annotated[Any, _seconds(0, 3600), _DURATION]
Size = Annotated[Any, PlainValidator(units.size), string(pattern=units.SIZE_PATTERN)]
Bytes = Annotated[Any, PlainValidator(units.size_in_bytes), string(pattern=units.SIZE_PATTERN)]
Region = Annotated[Any, PlainValidator(units.region), string(pattern=units.SIZE_PATTERN)]
Portal = Annotated[Any, PlainValidator(portals.portal), string(pattern=portals.PORTAL_PATTERN)]
Target = Annotated[
    Any, PlainValidator(names.target), string(pattern=names.TARGET_PATTERN, maxLength=names.TARGET_BYTES)
]
Interface = Annotated[Any, PlainValidator(names.interface), string(pattern=names.INTERFACE_PATTERN)]
Initiator = Annotated[
    Any, PlainValidator(exports.initiator), string(pattern=names.TARGET_PATTERN, maxLength=names.TARGET_BYTES)
]
Backing = Annotated[
    Any, PlainValidator(exports.backing), string(pattern=exports.BACKING_PATTERN, maxLength=names.PATH_BYTES)
]
Serial = Annotated[Any, PlainValidator(exports.serial), string(pattern=exports.SERIAL_PATTERN)]
OwnName = Annotated[Any, PlainValidator(names.own), string(pattern=f"^{names.OWN_NAME}$")]
GroupName = Annotated[Any, PlainValidator(names.group), string(pattern=f"^{names.LVM_NAME}$")]
VolumeName = Annotated[Any, PlainValidator(names.volume), string(pattern=f"^{names.LVM_NAME}$")]
Machine = Annotated[Any, PlainValidator(names.machine), string(pattern=names.MACHINE_PATTERN)]
Acknowledgement = Annotated[
    Any, PlainValidator(names.acknowledgement), string(pattern=names.ACKNOWLEDGEMENT_PATTERN, maxLength=300)
]
Consent = Annotated[Any, PlainValidator(names.consent), string(maxLength=1024)]
Username = Annotated[Any, PlainValidator(names.username), string(maxLength=names.VALUE_BYTES)]
PasswordFile = Annotated[Any, PlainValidator(names.password_file), string(maxLength=1024)]
Label = Annotated[Any, PlainValidator(names.label), string(maxLength=16)]
MountOption = Annotated[Any, PlainValidator(mountoptions.mount_option), string(maxLength=names.VALUE_BYTES)]
MountPath = Annotated[Any, PlainValidator(names.mount_path), string(pattern="^/", maxLength=names.PATH_BYTES)]
Textfile = Annotated[Any, PlainValidator(watchers.textfile), string(pattern=watchers.TEXTFILE_PATTERN)]
Word = Annotated[Any, PlainValidator(watchers.word), string(minLength=1, maxLength=1024)]
Address = Annotated[Any, PlainValidator(watchers.address), string(pattern=watchers.ADDRESS_PATTERN, maxLength=254)]
HookDeadline = Annotated[Any, _seconds(1, 60), _DURATION]
Reminder = Annotated[Any, _seconds(0, 30 * 86400), _DURATION]
MkfsOption = Annotated[Any, PlainValidator(names.line), string(maxLength=names.VALUE_BYTES)]
Settings = Annotated[
    dict[str, Any],
    PlainValidator(settings.settings),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": settings.KEY_PATTERN},
            "additionalProperties": {"type": ["string", "integer"]},
        }
    ),
]
