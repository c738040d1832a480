"""A disk is made a physical volume, whole or as one partition, once that provably loses nothing. Pure."""

from lunmirror.engine.model import AwaitPath, Drift, Guard, Plan, Ref, Risk, Run, Step
from lunmirror.host import paths
from lunmirror.layers.disk.context import DiskContext
from lunmirror.layers.disk.facts import Blank, Device, Lun, OwnTable
from lunmirror.lvm.command import change, place_of

LVM_PARTITION = "E6D6D379-F507-44C2-A23C-238F2A3DF928"  # "Linux LVM" in a GPT (UAPI Discoverable Partitions)
APPEAR = 15.0  # seconds for a disk to appear after its session, or a partition after its table


def complete_table(lun: Lun) -> bool:
    """Our own partition table is there, whole, and the kernel does not show its partition."""
    return isinstance(lun.content, OwnTable) and lun.content.whole


def take(ctx: DiskContext, lun: Lun) -> Plan:
    """Partition and label. Only for what `fitness.unfit` let pass."""
    proof = _proof(ctx, lun)
    guards = tuple(Guard(f"{paths.SYS_BLOCK}/{d.kernel}/diskseq", d.diskseq) for d in lun.paths if d.diskseq)
    if ctx.disk.partition and not (lun.ours and lun.place):
        label = _label(ctx, lun.whole._replace(node=place_of(ctx.disk)), proof)
        steps = _partition(ctx, lun.whole, proof, guards)
        return Plan((*steps, label._replace(after=(ctx.ref,))))  # on the partition, which cannot be seen yet
    return Plan((_label(ctx, lun.place or lun.whole, proof, guards),))


def predicted(ctx: DiskContext, after: tuple[Ref, ...]) -> tuple[Step, ...]:
    """The steps on a disk that cannot be seen yet, if it turns out blank."""
    whole = Device(ctx.disk.name, f"<disk {ctx.disk.name}>", 0, "", "", ())
    proof = "only if it turns out provably blank or ours"
    label = _label(ctx, whole._replace(node=place_of(ctx.disk)), proof)
    if not ctx.disk.partition:
        return (label._replace(after=after),)
    steps = _partition(ctx, whole, proof, ())
    return (*(s._replace(after=after) for s in steps), label._replace(after=(*after, ctx.ref)))


def _proof(ctx: DiskContext, lun: Lun) -> str:
    """Why nothing is lost."""
    if isinstance(lun.content, Blank | OwnTable):
        return lun.content.proof
    return f"{CONSENT}: {ctx.key}.overwrite names {ctx.disk.consent}"


CONSENT = "consent"


def _consented(proof: str) -> bool:
    return proof.startswith(CONSENT)


def _partition(ctx: DiskContext, whole: Device, proof: str, guards: tuple[Guard, ...]) -> tuple[Step, ...]:
    """A GPT with our own GUID: sfdisk writes its second copy first and the protective MBR last, so that a torn
    table is no table (util-linux, libfdisk/src/gpt.c, gpt_write_disklabel)."""
    script = f'label: gpt\nlabel-id: {ctx.disk.table_guid}\ntype={LVM_PARTITION}, name="lunmirror"\n'
    # By one program, so that nothing comes between the loss of what the consent names and our own table. What then lies
    # in the partition is judged again, by its own words, and so is not wiped with the table: a consent that stays in the
    # configuration would else cover, for ever, whatever a damaged physical volume leaves there.
    wipe = ("--wipe", "always") if _consented(proof) else ()
    write = ctx.step(
        f"write one partition of type Linux LVM on {whole.node}",
        Run((paths.SFDISK, *wipe, whole.node), stdin=script.encode()),
        _no_partition(ctx),
        risk=Risk.CONSUMES,
        proof=proof,
        guards=guards,
    )
    return (write, *reread(ctx, whole))


def reread(ctx: DiskContext, whole: Device) -> tuple[Step, ...]:
    """The table is there; the kernel has to show its partition."""
    run = Run((paths.PARTX, "--update", whole.node))
    # The name that the kernel (or, on a multipath map, kpartx) gives the first partition.
    node = f"{whole.node}-part1" if whole.node.startswith(paths.MAPPER) else _first_partition(whole.node)
    return (
        ctx.step(f"let the kernel read the partition on {whole.node}", run, _no_partition(ctx)),
        ctx.step(f"wait for the partition on {whole.node}", AwaitPath((node,), APPEAR), _no_partition(ctx)),
    )


def _no_partition(ctx: DiskContext) -> Drift:
    return Drift(f"{ctx.key}.partition", "one partition of type Linux LVM", "no partition")


def _first_partition(node: str) -> str:
    return f"{node}p1" if node[-1].isdigit() else f"{node}1"


def _label(ctx: DiskContext, place: Device, proof: str, guards: tuple[Guard, ...] = ()) -> Step:
    # -y wipes without asking: only what a consent names, on the very device that was looked at.
    wipe = ("-y",) if _consented(proof) else ()
    words = ("--uuid", ctx.disk.pv_uuid, "--norestorefile", *wipe, place.node)
    return ctx.step(
        f"make a physical volume on {place.node}",
        Run(change((place.node,), "pvcreate", *words)),
        Drift(ctx.key, "an LVM physical volume", "none"),
        risk=Risk.CONSUMES,
        proof=proof,
        guards=guards,
    )
