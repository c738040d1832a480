"""
A Salt state for lunmirror (docs/handoff.md): put this file into _states/ of the file roots.

mirrors:
  lunmirror.converged:
    - lock_wait: 120s
"""

import json


def converged(name, config="/etc/lunmirror/lunmirror.toml", lock_wait="120s", fail_on_degraded=False):
    """
    One pass of lunmirror; with test=True the plan only, which changes nothing.

    result: None: with test=True, something would be done; False: a step failed, something is out of service, or an
    administrator must decide.
    """
    test = __opts__["test"]  # noqa: F821, Salt gives it
    verb = ["plan"] if test else ["apply", "--detailed-exitcode", "--lock-wait", lock_wait]
    line = ["lunmirror", *verb, "--json", "--log-level", "critical", "--config", config]
    ran = __salt__["cmd.run_all"](line, python_shell=False, ignore_retcode=True)  # noqa: F821
    answer = {"name": name, "changes": {}, "result": False, "comment": ran["stderr"]}
    try:
        report = json.loads(ran["stdout"])
    except ValueError:
        return answer
    if "errors" in report:
        return {**answer, "comment": "\n".join(_sentence(one) for one in report["errors"])}
    steps = report["steps"] if test else [o["step"] for o in report["outcomes"] if o["status"] == "done"]
    failed = [f"{o['step']['title']}: {o['error']}" for o in report["outcomes"] if o["status"] == "failed"]
    serious = [f for f in report["findings"] if f["kind"] != "note"]
    fine = report["exit"] in (0, 2) or (report["exit"] == 3 and not fail_on_degraded)
    said = [*failed, *(_sentence(one) for one in serious)] or [report["result"]]
    changes = {step["title"]: step["how"] for step in steps}
    return {
        **answer,
        "changes": changes,
        "result": (None if test and steps else True) if fine else False,
        "comment": "\n".join(said),
    }


def _sentence(one):
    tail = "".join(f" ({name}: {one[name]})" for name in ("why", "next") if one.get(name))
    return one["what"] + tail
