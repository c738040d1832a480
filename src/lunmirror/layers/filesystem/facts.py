"""What can be known of the file system on a volume, and of the tags by which lunmirror remembers its own work.

The tags live in LVM's metadata, in the same transaction as the change that they speak of: they survive every crash.
"""

from typing import NamedTuple

# Set by the very lvcreate that makes a volume, removed after mkfs: "made by us, not yet formatted".
UNFORMATTED = "lunmirror.unformatted"
# Set before lvextend, removed after the file system has grown.
GROW = "lunmirror.grow"


class FileSystem(NamedTuple):
    """`uuid` is '' when known only from the mount table. `complete`: mkfs is known to have reached its end.
    `path`: one place where all of it is mounted, '' if none. `tags` are the volume's, read at the same time."""

    type: str
    uuid: str
    label: str
    mounted: bool
    complete: bool = True
    path: str = ""
    tags: tuple[str, ...] = ()


class Bare(NamedTuple):
    """The volume was read, and no signature is on it."""

    tags: tuple[str, ...] = ()


class Other(NamedTuple):
    """The volume holds something that is no declared file system."""

    what: str
    tags: tuple[str, ...] = ()
