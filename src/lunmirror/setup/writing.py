"""A proposal as commented TOML. Pure."""

import json
import re
from collections.abc import Iterable, Iterator
from textwrap import wrap

from lunmirror.config.units import BYTES
from lunmirror.engine.plain import shown
from lunmirror.host import paths
from lunmirror.setup.proposal import Chap, Disk, Group, Mount, Proposal, Server, Volume

WIDTH = 80
_HOME = paths.CONFIG.rpartition("/")[0]
_BARE = re.compile(r"[A-Za-z0-9_-]+")


TITLES = ("NOT EXPRESSED, or an administrator must decide. All of it is left as it is:", "Left out:")


def text(proposal: Proposal, head: Iterable[str], chap: bool = True, titles: tuple[str, str] = TITLES) -> str:
    """The whole file. `head`: paragraphs to begin with. `chap`: with the tables that name files of secrets, which may not be
    there yet. `titles`: of what is refused, and of what is left out."""
    lines = [line for paragraph in head for line in (*comment(paragraph), "#")][:-1]
    for title, entries in zip(titles, (proposal.refused, proposal.left), strict=True):
        if entries:
            lines += ["#", f"# {title}", *(line for one in entries for line in comment(one, "- ", "  "))]
    lines += ["", "version = 1", ""]
    for server in proposal.servers:
        lines += [*_server(server, chap), ""]
    for disk in proposal.disks:
        lines += [*disk_lines(disk), ""]
    for group in proposal.groups:
        lines += [*group_lines(group), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def commented(lines: Iterable[str]) -> list[str]:
    """Lines of TOML, out of force."""
    return [f"# {line}".rstrip() for line in lines]


def comment(words: str, first: str = "", rest: str = "") -> list[str]:
    """Comment lines. What cannot be printed is shown as an escape."""
    plain = shown(" ".join(words.split()))
    return wrap(
        plain,
        WIDTH,
        initial_indent=f"# {first}",
        subsequent_indent=f"# {rest}",
        break_long_words=False,
        break_on_hyphens=False,
    )


def quoted(value: str) -> str:
    """A TOML text: JSON's escapes are TOML's as well."""
    return json.dumps(value, ensure_ascii=False)


def listed(values: Iterable[str]) -> str:
    return f"[{', '.join(map(quoted, values))}]"


def size(bytes: int) -> str:
    """In the largest unit that divides it: "512MiB"."""
    unit = next(name for name, factor in reversed(BYTES.items()) if bytes % factor == 0)
    return f"{bytes // BYTES[unit]}{unit}"


def key(*parts: str) -> str:
    """A dotted key."""
    return ".".join(part if _BARE.fullmatch(part) else quoted(part) for part in parts)


def _server(server: Server, chap: bool) -> Iterator[str]:
    yield f"[{key('servers', server.name)}]"
    yield f"portals = {listed(map(str, server.portals))}"
    for name, value, remark in server.settings:
        yield from comment(remark) if remark else ()
        yield f"{name} = {value}"
    if server.chap and chap:
        yield ""
        yield from _chap(server.name, server.chap)


def _chap(server: str, chap: Chap) -> Iterator[str]:
    if chap.record:
        yield from comment(
            "The secret stays out of this file, in one of its own beside it. The node record has it now: as root, this"
            " copies it without showing it."
        )
    yield from _filled("node.session.auth.password", server, chap)
    yield f"[{key('servers', server, 'chap')}]"
    yield f"username = {quoted(chap.username)}"
    yield f"password_file = {quoted(chap.file or f'secrets/{server}')}"
    if chap.mutual:
        yield ""
        yield from _filled("node.session.auth.password_in", f"{server}-mutual", chap)
        yield f"[{key('servers', server, 'chap', 'mutual')}]"
        yield f"username = {quoted(chap.mutual)}"
        yield f"password_file = {quoted(f'secrets/{server}-mutual')}"


def _filled(record_key: str, name: str, chap: Chap) -> Iterator[str]:
    """How to fill a file of a secret from the record, without a secret on a command line."""
    if not chap.record:
        return
    from shlex import quote

    pattern = record_key.replace(".", "\\.")
    yield f"#   install -d -m 0700 {_HOME}/secrets"
    yield f"#   (umask 077; sed -n 's/^{pattern} = //p' {quote(shown(chap.record))} \\"
    yield f"#     > {_HOME}/secrets/{name})"


def disk_lines(disk: Disk) -> Iterator[str]:
    yield from comment(disk.remark) if disk.remark else ()
    yield f"[{key('disks', disk.name)}]"
    yield f"server = {quoted(disk.server)}"
    yield f"target = {quoted(disk.target)}"
    yield f"lun = {disk.lun}"
    if disk.partition:
        yield "partition = true"


def group_lines(group: Group) -> Iterator[str]:
    yield from comment(group.remark) if group.remark else ()
    yield f"[{key('groups', group.name)}]"
    yield f"disks = {listed(group.disks)}"
    for volume in group.volumes:
        yield ""
        yield from _volume(volume)


def _volume(volume: Volume) -> Iterator[str]:
    yield f"[{key('groups', volume.group, 'volumes', volume.name)}]"
    yield f"size = {quoted(size(volume.size))}"
    yield f"type = {quoted(volume.type)}"
    if volume.log:
        yield f"log = {quoted(volume.log)}"
    if volume.region:
        yield f"region_size = {quoted(size(volume.region))}"
    yield f"legs = {listed(volume.legs)}"
    if volume.filesystem and volume.label:
        yield f"filesystem = {{ type = {quoted(volume.filesystem)}, label = {quoted(volume.label)} }}"
    elif volume.filesystem:
        yield f"filesystem = {quoted(volume.filesystem)}"
    if volume.mount:
        yield from _mount(volume.mount)


def _mount(mount: Mount) -> Iterator[str]:
    value = quoted(mount.path)
    if mount.options:
        value = f"{{ path = {value}, options = {listed(mount.options)} }}"
    if mount.off:
        yield from comment(f"Not declared: {mount.off}")
        yield shown(f"# mount = {value}")
    else:
        yield f"mount = {value}"
