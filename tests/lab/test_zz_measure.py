import sys
sys.path.insert(0, "/work/wt/never/tests/lab")
from test_outages import RAID1
from kit import *
def timed(lab, what, *words):
    done = lab.run(["strace","-f","-ttt","-qq","-e","trace=execve,exit_group,connect","-e","signal=none","-o","/tmp/t", "lunmirror", *words], check=False, timeout=200)
    print(f"=== {what}: {' '.join(words)} rc {done.rc} {done.seconds:.1f} s")
    print(done.stdout[-1500:]); print(done.stderr[-1500:])
    print(lab.run("cut -c1-160 /tmp/t | grep -v '= -1 ENOENT'").stdout)
def test_measure(converged):
    lab = converged("raid1-5s", RAID1)
    timed(lab, "healthy", "status")
    timed(lab, "healthy", "plan")
    lab.run("for s in /sys/class/iscsi_session/*; do echo 60 > $s/recovery_tmo; done")
    lab.run("filer cut filer2")
    timed(lab, "grey", "status")
    lab.run("sleep 1")
    print(lab.sessions())
    timed(lab, "failed", "status")
    print(lab.sessions())
    timed(lab, "failed", "plan")
    print(lab.run("ps ax | grep lvm; cat /run/lunmirror/stuck.json", check=False).stdout)
    print(lab.run("cat /proc/sys/kernel/random/boot_id; ls -la /run/iscsid.pid; cat /run/iscsid.pid; cat /proc/$(cat /run/iscsid.pid)/comm; ls /etc/iscsi/nodes/*").stdout)
    # rmeta
    print(lab.run("lvs -a -o+devices,seg_start_pe; pvs -o+pe_start", check=False).stdout)
