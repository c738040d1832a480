#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: lunmirror maintainers
# MIT License (see LICENSE of lunmirror)
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: lunmirror
short_description: Bring mirrors over iSCSI servers to their declared state
version_added: 0.1.0
description:
  - Runs one pass of C(lunmirror apply), which brings node records, sessions, volume group, mirror, file system and mount to
    what /etc/lunmirror/lunmirror.toml declares.
  - In check mode runs C(lunmirror plan), which changes nothing and says what a pass would do.
author:
  - lunmirror maintainers (@lunmirror)
attributes:
  check_mode:
    support: full
    description: What would be done is predicted, and nothing is changed.
  diff_mode:
    support: full
    description: Each step with its exact command or change; no secret.
  platform:
    support: full
    platforms: linux
    description: Linux.
options:
  config:
    description: The configuration.
    type: path
    default: /etc/lunmirror/lunmirror.toml
  lock_wait:
    description: How long to wait for another pass, say that of the timer, to end.
    type: str
    default: 120s
  fail_on_degraded:
    description:
      - Whether it is a failure if everything declared is in service, but redundancy is not full.
      - A leg that has just been added is being copied, so redundancy is not full after the first pass.
    type: bool
    default: false
  executable:
    description: The program. Looked for in the usual places if it is only a name.
    type: str
    default: lunmirror
"""

EXAMPLES = r"""
- name: Bring the mirrors to their declared state
  lunmirror.storage.lunmirror:

- name: The same, and fail while redundancy is not full
  lunmirror.storage.lunmirror:
    fail_on_degraded: true
"""

RETURN = r"""
exit_code:
  description: What lunmirror ended with (docs/exit-codes.md).
  returned: when lunmirror is installed
  type: int
  sample: 3
result:
  description: The same in a word.
  returned: when lunmirror is installed
  type: str
  sample: degraded
degraded:
  description: Whether redundancy is not full.
  returned: when lunmirror is installed
  type: bool
  sample: false
steps:
  description: What was done, or in check mode would be.
  returned: when lunmirror is installed
  type: list
  elements: str
  sample: ["mount vg0/testlv at /mnt/test"]
findings:
  description: What no step repairs.
  returned: when lunmirror is installed
  type: list
  elements: dict
  sample: []
"""

import json

from ansible.module_utils.basic import AnsibleModule

CONVERGED = 0
DRIFT = 2
DEGRADED = 3
PLACES = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"]


def main():
    module = AnsibleModule(
        argument_spec=dict(
            config=dict(type="path", default="/etc/lunmirror/lunmirror.toml"),
            lock_wait=dict(type="str", default="120s"),
            fail_on_degraded=dict(type="bool", default=False),
            executable=dict(type="str", default="lunmirror"),
        ),
        supports_check_mode=True,
    )
    params = module.params
    program = module.get_bin_path(params["executable"], required=not module.check_mode, opt_dirs=PLACES)
    if program is None:
        module.exit_json(changed=True, msg="lunmirror is not installed yet, so what it would do is not known")
    verb = ["plan"] if module.check_mode else ["apply", "--detailed-exitcode", "--lock-wait", params["lock_wait"]]
    line = [program] + verb + ["--json", "--log-level", "critical", "--config", params["config"]]
    rc, out, err = module.run_command(line)
    try:
        report = json.loads(out)
    except ValueError:
        module.fail_json(msg="lunmirror ended with %d and without a report: %s" % (rc, err.strip()[-2000:]), exit_code=rc)
    finish(module, rc, report)


def finish(module, rc, report):
    """Ends the module with what the report says."""
    if "errors" in report:
        module.fail_json(msg="; ".join(sentence(one) for one in report["errors"]), exit_code=rc, result=report["result"])
    done = [one["step"] for one in report["outcomes"] if one["status"] == "done"]
    steps = report["steps"] if module.check_mode else done
    serious = [one for one in report["findings"] if one["kind"] != "note"]
    degraded = rc == DEGRADED or any(one["kind"] in ("degraded", "blocked") for one in serious)
    answer = dict(
        changed=bool(steps),
        exit_code=rc,
        result=report["result"],
        degraded=degraded,
        steps=[one["title"] for one in steps],
        findings=report["findings"],
    )
    if module._diff:
        answer["diff"] = dict(prepared="".join("%s\n    %s\n" % (one["title"], one["how"].replace("\n", "\n    ")) for one in steps))
    said = "; ".join(sentence(one) for one in serious)
    failures = ["%s: %s" % (one["step"]["title"], one["error"]) for one in report["outcomes"] if one["status"] == "failed"]
    if rc not in (CONVERGED, DRIFT, DEGRADED):
        module.fail_json(msg="; ".join(failures + ([said] if said else [])) or "lunmirror ended with %d" % rc, **answer)
    if degraded and module.params["fail_on_degraded"]:
        module.fail_json(msg="redundancy is not full: %s" % said, **answer)
    module.exit_json(msg=said or report["result"], **answer)


def sentence(one):
    """What, why and what to do next, of an error or a finding."""
    where = "%s: " % one["where"] if one.get("where") else ""
    tail = "".join(" (%s: %s)" % (name, one[name]) for name in ("why", "next") if one.get(name))
    return where + one["what"] + tail


if __name__ == "__main__":
    main()
