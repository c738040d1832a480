"""What no message may tell an administrator to do: he follows it, and the disk may hold the only good leg."""

import re

# Each destroys data, or what protects them, if the volume, disk or file is not what lunmirror takes it for.
_COMMANDS = (
    *("rm", "shred", "truncate", "dd", "wipefs", "blkdiscard", "sfdisk", "parted", "sgdisk"),
    *("pvremove", "pvcreate", "vgremove", "vgreduce", "lvremove", "lvreduce", "mkfs", r"mkfs\.\w+", "mke2fs"),
)
_WORDS = (
    r"--removemissing",
    r"--force",
    r"lvconvert\b[^`]*--repair",
    r"--resync",
    r"vgcfgrestore -f",
    r"-ff\b",
    r"pvmove\b",
)
_TAG = r"--addtag (?:[^ `]*unformatted|\{)"  # makes the next pass format the volume
FORBIDDEN = re.compile(
    rf"`[^`]*(?<![\w.-])(?:{'|'.join(_COMMANDS)})\b[^`]*`"  # in a command line, as messages write them
    rf"|(?<![\w.-])(?:{'|'.join(_COMMANDS)})\s+(?:-|/|\{{|`|if=)"  # or with its argument, in plain text
    rf"|{'|'.join(_WORDS)}|{_TAG}"
)


def destroys(text: str) -> str:
    """The words that tell to destroy something; '' if none do."""
    found = FORBIDDEN.search(text)
    return found[0] if found else ""
