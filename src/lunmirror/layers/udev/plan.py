"""From the file of udev rules to what it shall hold. The file is ours alone and replaced whole; one that does not
say so in its first line is left as it is.

| file                         | what is done                                              |
|------------------------------|-----------------------------------------------------------|
| ours, the rules as declared  | nothing (comments are not looked at)                      |
| ours, or empty, or none      | written again; removed if nothing is declared               |
| somebody else's              | refused                                                   |
| unknown                      | blocked                                                   |
| any node record unknown      | nothing: the findings for the record are enough             |

udev reads new rules by itself, but looks for them only every three seconds (systemd, udevd.c); a disk that appears
in between gets its values from layer scsi, in this very pass.
"""

from lunmirror.engine.desired import Desired
from lunmirror.engine.model import (
    Drift,
    Kind,
    MakeDirectory,
    Plan,
    Present,
    Ref,
    RemoveFile,
    Step,
    Unknown,
    World,
    WriteFile,
)
from lunmirror.host import paths
from lunmirror.layers.context import Context, joined, reason_of
from lunmirror.layers.render import render
from lunmirror.layers.udev.facts import NAME, Rules
from lunmirror.layers.udev.rules import Rule, rules

MARK = "# Written by lunmirror, which replaces this file whole."
TEMPLATE = "udev/templates/rules.j2"


def plan(desired: Desired, seen: World, pending: frozenset[Ref]) -> Plan:
    return _plan(Context(Ref("udev", NAME), "policy.stall_budget", desired, seen, pending))


def _plan(ctx: Context) -> Plan:
    match ctx.state:
        case Present(Rules()) if _a_record_is_unknown(ctx):
            # A rule needs the address as the record spells it. What is wrong with the record is reported there; what the
            # file holds stays, lest a record that cannot be read costs a disk its timeouts.
            return Plan()
        case Present(Rules() as file):
            return _keep(ctx, file)
    return ctx.blocked(
        f"the udev rules in {paths.UDEV_RULES} are not known, so nothing is done to them",
        reason_of(ctx.state, "it was not looked for"),
        "remove the cause; the next pass looks again",
    )


def _a_record_is_unknown(ctx: Context) -> bool:
    return any(isinstance(ctx.below("node", path.name), Unknown) for path in ctx.desired.paths())


def _keep(ctx: Context, file: Rules) -> Plan:
    wanted, strange = rules(ctx.desired, ctx.seen)
    notes = Plan(
        findings=tuple(
            ctx.finding(
                Kind.NOTE,
                f"there is no udev rule for disk {one.disk}",
                f"its node record spells the portal {one.value!r}, which a rule could take for a pattern",
                "the disk gets its timeouts at each pass all the same",
            )._replace(key=f"disks.{one.disk}")
            for one in strange
        )
    )
    text = (file.raw or b"").decode(errors="replace")
    if text.strip() and not text.startswith(MARK):
        foreign = ctx.refused(
            f"will not write {paths.UDEV_RULES}",
            "it is not lunmirror's: its first line does not say so",
            "if nobody needs it, remove it or give it another name; the next pass writes its own",
        )
        return joined((foreign, notes))
    found = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if found == [rule.text for rule in wanted]:
        return notes
    return Plan(_steps(ctx, wanted, found, file), notes.findings)


def _steps(ctx: Context, wanted: tuple[Rule, ...], found: list[str], file: Rules) -> tuple[Step, ...]:
    drift = (
        *(
            Drift(f"servers.{rule.server}.command_timeout" if rule.server else "disks", rule.text, "no such rule")
            for rule in wanted
            if rule.text not in found
        ),
        *(
            Drift("disks", "no rule for anything else", line)
            for line in found
            if line not in {r.text for r in wanted}
        ),
    ) or (Drift("disks", "the rules in the order of the configuration", "another order"),)
    if not wanted:
        assert file.raw is not None
        remove = RemoveFile(paths.UDEV_RULES, file.raw)
        return (ctx.step(f"remove {paths.UDEV_RULES}: no disk is declared", remove, *drift),)
    content = render(TEMPLATE, mark=MARK, rules=wanted).encode()
    disks = sum(bool(rule.server) for rule in wanted)
    count = f"{disks} disk" + ("s" if disks > 1 else "")
    title = f"write the udev rules that give {count} their timeouts when they appear"
    write = ctx.step(title, WriteFile(paths.UDEV_RULES, content, file.raw, 0o644), *drift)
    if file.directory:
        return (write,)
    directory = paths.UDEV_RULES.rpartition("/")[0]
    return (ctx.step(f"make the directory {directory}", MakeDirectory(directory), *drift), write)
