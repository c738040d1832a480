"""What can be known of our file of udev rules."""

from typing import NamedTuple

NAME = "rules"  # the layer has this one resource


class Rules(NamedTuple):
    """`raw` is the file's content, None if there is none; `folder`: its folder is there."""

    raw: bytes | None
    folder: bool
