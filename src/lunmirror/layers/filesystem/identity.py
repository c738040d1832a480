"""The UUID that lunmirror gives a file system: derived from the volume's, so that one found on a volume can be
proven to come from our own mkfs on that very volume, and from nothing else."""

# Made once, with uuid4; changing it would make every unfinished mkfs of an older lunmirror look foreign.
_NAMESPACE = "134abc09-14dc-401c-8c82-d6971e154b7f"


def filesystem_uuid(volume_uuid: str) -> str:
    """Lower case, as mkfs takes it and blkid prints it. `volume_uuid` is LVM's."""
    from uuid import UUID, uuid5  # here, because a pass that finds everything mounted needs none of it

    return str(uuid5(UUID(_NAMESPACE), volume_uuid))
