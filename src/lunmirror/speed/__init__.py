"""`lunmirror speed`: how fast each leg and the mirror are read, beside what the network between could carry.

Law: devices are opened for reading only, past the page cache; at most so many bytes and seconds each, one device at a
time, and none that is not proven to be a leg of ours and to answer. Imported by no other verb.

verb: what was asked · aims: what may be read, and why the rest is not · reading: the copy of the process that reads ·
wire: the interface to each portal · causes: what holds a leg back · result: the table, JSON.
"""
