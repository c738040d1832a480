"""`lunmirror export`: the storage server's own configuration, from the same file as the client's: text for an administrator
to put in place, or, on that server, put in place. Imported by no other verb.

lun: what is exported, by target · lio: rtslib's saveconfig.json · tgt: a file for tgt-admin · compare: what a server exports
now, against that; all of these are pure. On the server: here, backing: what is there · change: what is to be done, pure ·
work: the verb.
"""
