"""A plan compared with what apply then did."""

import re

from kit import DISKS, Lab, Ran

# Whether the kernel has brought a disk in at the instant of looking is nothing that a plan can know; these steps
# change nothing.
WAITING = ("ask server ", "wait for LUN ")
# What the journal learns follows from what the kernel does after a step (a new leg is being copied to, or is in sync
# already): no plan can know it, and nothing but lunmirror's own memory is touched, in the journal and on the LUNs.
LEARNING = ("note that ", "make the journal's directory", "leave a mark on ")


def assert_predicted(lab: Lab, plan: Ran, apply: Ran) -> None:
    """What was done is what was planned, step for step and in that order, down to the command lines: where the plan
    has a placeholder, anything may stand. Asked right after that apply: disks are found under their present names."""
    assert apply.rc in (0, 3), str(apply)
    predicted = [s for s in plan.report["steps"] if not s["title"].startswith(LEARNING)]
    done = [o["step"] for o in apply.report["outcomes"] if not o["step"]["title"].startswith(WAITING + LEARNING)]
    names = placeholders(lab)
    titles = [[named(s["title"], names) for s in steps] for steps in (done, predicted)]
    assert titles[0] == titles[1], f"done {titles[0]}; predicted {titles[1]}"
    assert [s["resource"] for s in done] == [s["resource"] for s in predicted]
    for before, after in zip(predicted, done, strict=True):
        if before["predicted_after"] and before["how"].startswith("---"):
            continue  # of a file that is not there yet, no more than its new lines can be told
        parts = re.split(r"<[^<>\n]+>", unquoted(before["how"]))
        pattern = ".+".join(map(re.escape, parts))
        assert re.fullmatch(pattern, unquoted(after["how"])), f"{before['how']!r} predicted, {after['how']!r} done"


def placeholders(lab: Lab) -> dict[str, str]:
    """Device -> how a plan calls it as long as it cannot be seen."""
    targets = {about["target"] for about in lab.sessions().values()}
    known = [disk for disk in DISKS if lab.target(disk) in targets]
    return {f"/dev/{device}": disk for disk in known for device in lab.devices(disk)}


def named(title: str, names: dict[str, str]) -> str:
    for device, disk in names.items():
        title = re.sub(rf"{device}\b", f"<disk {disk}>", title)
        title = re.sub(rf"{device}1\b", f"<partition 1 of disk {disk}>", title)
    return title


def unquoted(command: str) -> str:
    """A placeholder has blanks, and is quoted; what comes in its place may not be."""
    return command.replace("'", "").replace('"', "")
