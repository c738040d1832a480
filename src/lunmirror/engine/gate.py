"""Rules that no plan passes around, whatever a layer thinks: the safety law, as pure functions over steps.

A step that breaks a rule is taken out and comes back as a refusal; so are the later steps of its resource.
"""

from collections.abc import Callable

from lunmirror.engine.model import Finding, Kind, Plan, Ref, Risk, Run, Step
from lunmirror.engine.plain import named

REMOVALS = frozenset({"lvremove", "vgremove", "pvremove"})
# Words on a command line that lunmirror never says, by program (docs/facts/lvm.md#wrong-verbs).
FORBIDDEN = {
    "lvm": frozenset(
        {"-ff", "--force", "-f", "--nosync", "--resync", "--repair", "--removemissing", "--partial", *REMOVALS}
    ),
    "mkfs.ext4": frozenset({"-F"}),
    "mkfs.ext3": frozenset({"-F"}),
    "sfdisk": frozenset({"--force", "-f", "--wipe", "-w"}),
    "iscsiadm": frozenset({"delete", "--logoutall"}),
    # A mark reserves nothing and takes nobody's key away.
    "sg_persist": frozenset({"--reserve", "--release", "--preempt", "--preempt-abort", "--clear", "--param-aptpl"}),
}
# What a consent in the configuration, carried in the step's proof, allows; and nothing more.
WITH_CONSENT = {"lvm": frozenset({"--repair", "--removemissing"}), "sfdisk": frozenset({"--wipe"})}
# What the journal's word, carried likewise, allows: a stopped mirror goes on without a leg, and takes no other place.
BY_THE_JOURNAL = ("lvconvert", "--repair", "--use-policies")
# What an administrator asked for in so many words (`lunmirror remove TARGET`) allows: `iscsiadm -o delete`.
# What our own tag allows: LVM removes a volume that was never whole, if its own look finds the tag, too. And what an
# administrator asked for in so many words (`lunmirror remove --wipe-data`): the volume with that UUID.
UNMADE = ("lvremove", "--select")
YES_TO_A_WIPE = frozenset({"pvcreate", "vgcreate", "vgextend"})


def _consumes_without_proof(step: Step, disturbed: frozenset[str]) -> str:
    if step.risk is Risk.CONSUMES and not step.proof:
        return "it would write over a disk or volume without proof that nothing is lost"
    return ""


def _consumes_without_guard(step: Step, disturbed: frozenset[str]) -> str:
    if step.risk is Risk.CONSUMES and not step.guards and not step.after:
        return "it would write to a device without re-checking, at the last instant, which device that is"
    return ""


def _lvm_without_guard(step: Step, disturbed: frozenset[str]) -> str:
    if not isinstance(step.action, Run) or step.action.argv[0] != "lvm" or step.guards or step.after:
        return ""
    return "LVM would be given devices without re-checking, at the last instant, which disks they are"


def _forbidden_word(step: Step, disturbed: frozenset[str]) -> str:
    if not isinstance(step.action, Run):
        return ""
    program, *words = step.action.argv
    given = FORBIDDEN.get(program, frozenset()).intersection(words)
    if step.proof.startswith("consent: "):
        given -= WITH_CONSENT.get(program, frozenset())
    elif step.proof.startswith("journal: ") and program == "lvm" and set(BY_THE_JOURNAL) <= set(words):
        given -= {"--repair"}
    elif step.proof.startswith(("unmade: ", "asked: ")) and program == "lvm" and set(UNMADE) <= set(words):
        given -= {"lvremove"}
    elif step.proof.startswith("asked: ") and program == "iscsiadm":
        given -= {"delete"}
    elif program == "lvm" and words and words[0] in YES_TO_A_WIPE:
        given |= {"-y", "--yes"}.intersection(words)
    return f"{program} would be given {', '.join(sorted(given))}, which lunmirror never uses" if given else ""


UNATTENDED = {"overwrite": Risk.CONSUMES, "fewer-legs": Risk.FEWER}  # policy.unattended's word -> the risk


def left_to_somebody(plan: Plan, allowed: frozenset[Risk]) -> Plan:
    """The plan of a pass that nobody attends: a step whose risk the configuration does not allow it becomes a refusal, and
    so do the later steps of its resource."""

    def objection(step: Step) -> Finding | None:
        if step.risk not in UNATTENDED.values() or step.risk in allowed:
            return None
        return Finding(
            step.ref,
            Kind.REFUSED,
            f"waits for an administrator: {step.title}",
            why="policy.unattended does not allow a pass to do this alone",
            next="`lunmirror plan` shows what it is; `lunmirror apply` does it",
            key="policy.unattended",
        )

    return _without(plan, objection)


def _without(plan: Plan, objection: Callable[[Step], Finding | None]) -> Plan:
    """The plan without the steps that there is an objection to, each of which becomes that finding; and without the later
    steps of its resource."""
    steps: list[Step] = []
    findings = list(plan.findings)
    stopped: set[Ref] = set()
    for step in plan.steps:
        if step.ref in stopped:
            continue
        if found := objection(step):
            stopped.add(step.ref)
            findings.append(found)
        else:
            steps.append(step)
    return Plan(tuple(steps), tuple(findings))


def _second_server(step: Step, disturbed: frozenset[str]) -> str:
    if step.server and disturbed - {step.server}:
        return f"this pass already disturbs {named('server', sorted(disturbed))}; two servers never go together"
    return ""


RULES: tuple[Callable[[Step, frozenset[str]], str], ...] = (
    _consumes_without_proof,
    _consumes_without_guard,
    _lvm_without_guard,
    _forbidden_word,
)


def enforce(plan: Plan, disturbed: frozenset[str]) -> Plan:
    """The plan without the steps that break a rule; each of those becomes a refusal that says which rule. A step that
    would disturb a second server only has to wait for another pass.

    `disturbed` holds the servers whose service this pass has disturbed, or will, before these steps.
    """

    def objection(step: Step) -> Finding | None:
        nonlocal disturbed
        if why := _second_server(step, disturbed):
            next_ = "nothing: the next pass does it, once the other server is back in order"
            return Finding(step.ref, Kind.DEGRADED, f"not in this pass: {step.title}", why, next_)
        if reason := next((r for r in (rule(step, disturbed) for rule in RULES) if r), ""):
            bug = "report this as a bug: a plan should never ask for it"
            return Finding(step.ref, Kind.REFUSED, f"will not {step.title}", why=reason, next=bug)
        if step.server:
            disturbed = disturbed | {step.server}
        return None

    return _without(plan, objection)
