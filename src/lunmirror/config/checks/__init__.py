"""What can be known to be wrong without the host: everything that needs more than one value to see.

Runs over drafts: whatever a single value's own judge has refused is None here, and nothing is concluded from it.
What timeouts come to is judged in `timeouts`.
"""

from typing import Any

from lunmirror.config import secretfiles
from lunmirror.config.checks import disks, exports, servers, volumes
from lunmirror.config.problems import Problems
from lunmirror.config.walk import each

RULES = (
    *(servers.aborts, servers.portals, servers.encryption, servers.notify, exports.exports),
    *(disks.disks, disks.replacements, disks.groups),
    *(volumes.volumes, volumes.mounts, volumes.labels),
)


def check(document: Any, directory: str, problems: Problems) -> None:
    """Add every contradiction of the document. `directory` is the configuration's."""
    for rule in RULES:
        rule(document, problems)
    secretfiles.check(each(document.servers), directory, problems)
