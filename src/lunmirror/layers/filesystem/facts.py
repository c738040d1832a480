"""What can be known of the file system on a volume."""

from typing import NamedTuple, TypeAlias


class FileSystem(NamedTuple):
    """`uuid` is '' when known only from the mount table. `complete`: mkfs is known to have reached its end.
    `path`: one place where all of it is mounted, '' if none. `tags` are the volume's, read at the same time.
    `errors`: how many the kernel counted since the last check (ext only; the mount table may still say rw)."""

    type: str
    uuid: str
    label: str
    mounted: bool
    complete: bool = True
    path: str = ""
    tags: tuple[str, ...] = ()
    errors: int = 0


class Bare(NamedTuple):
    """The volume was read, and no signature is on it."""

    tags: tuple[str, ...] = ()


class Other(NamedTuple):
    """The volume holds something that is no declared file system."""

    what: str
    tags: tuple[str, ...] = ()


Facts: TypeAlias = Bare | FileSystem | Other
