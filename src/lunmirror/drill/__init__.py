"""`lunmirror drill`: a supervised rehearsal of a server's death, on a machine in service.

Law: the cut ends whatever becomes of us (the kernel lifts it: `cut`), nothing but the traffic of that server's portals
is touched, and nothing is begun unless `can-lose` says yes. Imported by no other verb.

verb: what was asked · plan: what would be done, and what stands against it · cut: the traffic · probe: the writer ·
watch: sessions and legs meanwhile · course: from the first write to full redundancy · result: figures, table, JSON ·
picture: the SVG.
"""
