"""Servers with two addresses each: two paths to each disk."""

from sim.disks import Lun
from sim.stage import SERVERS, text
from sim.world import World, make_world

SECOND = {"filer1": "192.168.2.115", "filer2": "192.168.2.120"}


def two_ways() -> str:
    made = text(partition=False)
    for server, address in SECOND.items():
        first = SERVERS[server][0]
        made = made.replace(f'portals = ["{first}"]', f'portals = ["{first}", "{address}"]\nmultipath = true')
    return made


def world(running: bool = True, alike: bool = False) -> World:
    """Their LUNs have names of their own. `running`: multipathd was started; `alike`: both LUNs have one name."""
    names = ("t10.IET     00010001",) * 2 if alike else ("t10.IET     filer1", "t10.IET     filer2")
    luns = {f"filer{n}": {1: Lun(512 << 20, wwid=name, serial=name[-6:])} for n, name in enumerate(names, 1)}
    made = make_world(luns)
    for server, address in SECOND.items():
        made.servers[server].addresses += (address,)
    made.multipathd.running = running
    made.directories.add("/etc/multipath")
    made.version += 1
    return made
