"""What can be known of an unrelated device: a device with a UUID of ours that is not the declared disk."""

from typing import NamedTuple


class Unrelated(NamedTuple):
    """`uuid`: of the physical volume in its label, as udev saw it. `reached`: how, in words ("LUN 9 of iqn… at …").
    `disk`: the declared disk that the physical volume belongs to, '' if no declared disk is known to hold it.
    `same`: it is the very LUN of that disk, reached in a way that is not declared (a second session)."""

    uuid: str
    reached: str
    disk: str
    same: bool
