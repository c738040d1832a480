"""`lunmirror export`: the storage server's own configuration, from the same file as the client's. Pure: text from the
desired state, for an administrator to put in place. Imported by no other verb.

lun: what is exported, by target · lio: rtslib's saveconfig.json · tgt: a file for tgt-admin · compare: what a server exports
now, against that.
"""
