"""One file is read, and nothing else."""

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import Absent, Observed, Present, Unknown, World
from lunmirror.host import paths
from lunmirror.host.protocol import Reader
from lunmirror.layers.udev.facts import NAME, Rules


def observe(desired: Desired, reader: Reader, seen: World) -> Observed:
    """Present(Rules) or Unknown."""
    content = reader.read(paths.UDEV_RULES)
    if isinstance(content, Unknown):
        return {NAME: content}
    if isinstance(content, Present):
        return {NAME: Present(Rules(content.facts, True))}
    directory = reader.directory(paths.UDEV_RULES.rpartition("/")[0])
    return {
        NAME: directory if isinstance(directory, Unknown) else Present(Rules(None, not isinstance(directory, Absent)))
    }
