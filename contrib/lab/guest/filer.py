"""Storage servers of the lab, and their faults.

  filer status [NAME]               everything, as JSON
  filer cut|restore NAME            cable out: packets vanish; cable back in
  filer stop|start NAME             server process gone (connection refused); back
  filer crash NAME                  power out: cable out, then the server is killed (`restore` boots it)
  filer hang|unhang NAME            the server accepts, but never answers
  filer lun NAME add LUN SIZE       a new sparse LUN (SIZE as 2G, 512M or bytes)
  filer lun NAME remove LUN         no longer served; the backing file goes too
  filer lun NAME blank LUN          the disk is replaced by an empty one of the same size
  filer lun NAME resize LUN SIZE
  filer swap A B LUN                the backing files change places behind the right names
  filer chap NAME USER PASSWORD [MUSER MPASSWORD]
  filer nochap NAME
  filer hash|path NAME LUN          a fingerprint of the backing file's contents; its path
  filer netem NAME ARGS...|off      tc netem on what the server sends
  filer enable|disable NAME         start at boot, or not
  filer delay NAME SECONDS          start that much later at boot
  filer heal NAME                   end every fault of a server; settings and contents stay
  filer reset                       end every fault, forget settings; contents of LUN 1 stay
  filer logs NAME                   the server's own log

Settings live in /srv/filers/config.json and outlast a reboot; cut, hang and netem do not.
"""

import json
import os
import subprocess
import sys
import time

ROOT = "/srv/filers"
CONFIG = f"{ROOT}/config.json"
CLIENT = ("192.168.1.10/24", "fd00::10/64")
BRIDGE = "lab0"
IQN = "iqn.2006-01.com.openfiler:linuxtest1lv"
SERVERS = {  # name: (tgtd control number, addresses, IQN)
    "filer1": (1, ("192.168.1.115", "fd00::15"), IQN),
    "filer2": (2, ("192.168.1.120", "fd00::20"), IQN + "-2"),
    "filer3": (3, ("192.168.1.125", "fd00::25"), IQN + "-3"),
    "bystander": (4, ("192.168.1.130", "fd00::30"), "iqn.2006-01.com.openfiler:bystander"),
}
PIECE = 1 << 20
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def run(*argv, check=True):
    done = subprocess.run(argv, capture_output=True, text=True)
    if check and done.returncode:
        sys.exit(f"filer: {' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done


def size(text):
    number, unit = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS else (text, 1)
    if not number.isdigit():
        sys.exit(f"filer: {text!r} is no size: write 2G, 512M or bytes")
    return int(number) * unit


def known(name):
    if name not in SERVERS:
        sys.exit(f"filer: no server {name!r}; there are {', '.join(SERVERS)}")
    return name


# --- settings ------------------------------------------------------------------------------------

def defaults(name):
    return {"luns": {"1": f"{ROOT}/{name}/lun1.img"}, "chap": None, "delay": 0}


def load():
    try:
        with open(CONFIG) as file:
            kept = json.load(file)
    except FileNotFoundError:
        kept = {}
    return {name: defaults(name) | kept.get(name, {}) for name in SERVERS}


def save(config):
    with open(CONFIG + ".new", "w") as file:
        json.dump(config, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(CONFIG + ".new", CONFIG)
    directory = os.open(ROOT, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def backing(config, name, lun):
    try:
        return config[name]["luns"][lun]
    except KeyError:
        sys.exit(f"filer: {name} has no LUN {lun}")


def blank_file(path, length):
    """A new sparse file; the old one, if any, is unlinked, as another disk would be."""
    with open(path + ".new", "wb") as file:
        file.truncate(length)
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


# --- the server process --------------------------------------------------------------------------

def tgtadm(name, *words, check=True):
    return run("tgtadm", "-C", str(SERVERS[name][0]), "--lld", "iscsi", *words, check=check)


def unit(name):
    return f"filer@{name}.service"


def main_pid(name):
    return int(run("systemctl", "show", "-P", "MainPID", unit(name)).stdout or 0)


def active(name):
    return run("systemctl", "is-active", "-q", unit(name), check=False).returncode == 0


def hung(name):
    pid = main_pid(name)
    return bool(pid) and open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "T"


def notify_ready():
    import socket  # here, and hashlib below: each costs every other verb a tenth of a second under emulation

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        address = os.environ["NOTIFY_SOCKET"]
        sock.connect("\0" + address[1:] if address[0] == "@" else address)
        sock.send(b"READY=1")


def serve(name):
    """Become tgtd; a child fills it in and tells systemd."""
    control, settings, stamp = SERVERS[name][0], load()[name], f"/run/filer-{name}-started"
    late = 0 if os.path.exists(stamp) else settings["delay"]  # only at boot
    open(stamp, "w").close()
    if late:
        notify_ready()  # the boot of the client must not wait for a late server
        time.sleep(late)
    child = os.fork()
    if child == 0:
        if os.fork() == 0:  # twice, since tgtd would never reap it
            fill(name, settings)
            if not late:
                notify_ready()
        os._exit(0)
    os.waitpid(child, 0)
    # No portal given: tgtd listens everywhere, and its answer to discovery names only the address that was asked.
    # "@" spares it at systemd's final kill, where it would ignore SIGTERM for 90 s: it outlives the client's shutdown.
    # Without NOTIFY_SOCKET: tgtd would call itself ready while it serves nothing yet.
    silent = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    os.execve("/usr/sbin/tgtd", ["@tgtd", "-f", "-C", str(control)], silent)


def fill(name, settings):
    deadline = time.monotonic() + 60
    while tgtadm(name, "--mode", "sys", "--op", "show", check=False).returncode:
        if time.monotonic() > deadline:
            sys.exit(f"filer: tgtd of {name} does not answer")
        time.sleep(0.1)
    tgtadm(name, "--mode", "target", "--op", "new", "--tid", "1", "--targetname", SERVERS[name][2])
    for lun, path in settings["luns"].items():
        add_lun(name, lun, path)
    if settings["chap"]:
        user, password, *mutual = settings["chap"]
        account(name, user, password)
        if mutual:
            account(name, *mutual, "--outgoing")
    tgtadm(name, "--mode", "target", "--op", "bind", "--tid", "1", "-I", "ALL")


def account(name, user, password, *how):
    tgtadm(name, "--mode", "account", "--op", "new", "--user", user, "--password", password)
    tgtadm(name, "--mode", "account", "--op", "bind", "--tid", "1", "--user", user, *how)


def add_lun(name, lun, path):
    # sync:direct: an acknowledged write is on the (virtual) disk, and outlives a power cut of the machine.
    tgtadm(name, "--mode", "logicalunit", "--op", "new", "--tid", "1", "--lun", lun,
           "--backing-store", path, "--bstype", "rdwr", "--bsoflags", "sync:direct")


def start(name):
    run("systemctl", "reset-failed", unit(name), check=False)
    run("systemctl", "start", unit(name))


def stop(name):
    run("systemctl", "stop", unit(name))


class offline:
    """Whatever is done inside is done with the server process stopped, if it was running."""

    def __init__(self, *names):
        self.names = names

    def __enter__(self):
        self.were_active = [name for name in self.names if active(name)]
        for name in self.were_active:
            stop(name)

    def __exit__(self, *failure):
        for name in self.were_active:
            start(name)


# --- verbs ---------------------------------------------------------------------------------------

def network():
    run("modprobe", "-a", "bridge", "veth", "virtio_net")
    # Early in boot udev may not have come to it yet: so on Debian 13 each time.
    deadline = time.monotonic() + 60
    while not os.path.exists("/sys/class/net/eth0") and time.monotonic() < deadline:
        time.sleep(0.1)
    commands = [f"link add {BRIDGE} type bridge", "link set lo up", f"link set {BRIDGE} up",
                "link set eth0 up", "address add 10.0.2.15/24 dev eth0"]
    commands += [f"address add {address} dev {BRIDGE}" + (" nodad" if ":" in address else "") for address in CLIENT]
    for name in SERVERS:
        commands += [f"netns add {name}", f"link add {name} type veth peer name eth0 netns {name}",
                     f"link set {name} master {BRIDGE} up"]
    batch(commands)
    for name, (_, addresses, _) in SERVERS.items():
        batch([f"address add {a}/{64 if ':' in a else 24} dev eth0" + (" nodad" if ":" in a else "") for a in addresses]
              + ["link set lo up", "link set eth0 up"], "-n", name)


def batch(commands, *options):
    done = subprocess.run(["ip", *options, "-batch", "-"], input="\n".join(commands) + "\n", text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"filer: ip: {done.stderr}")


def link_is_up(name):
    return "UP" in json.loads(run("ip", "-j", "link", "show", name).stdout)[0]["flags"]


def cut(name):
    # The bridge's end: taking down the server's own end would also lose its IPv6 address.
    run("ip", "link", "set", name, "down")


def restore(name):
    if not active(name) and os.path.exists(f"/run/filer-{name}-crashed"):
        os.unlink(f"/run/filer-{name}-crashed")
        start(name)
    run("ip", "link", "set", name, "up")


def crash(name):
    cut(name)
    stop(name)
    open(f"/run/filer-{name}-crashed", "w").close()


def hang(name):
    os.kill(main_pid(name), 19)


def unhang(name):
    os.kill(main_pid(name), 18)


def lun(name, verb, number, *words):
    config = load()
    luns = config[name]["luns"]
    if verb == "add":
        if number in luns:
            sys.exit(f"filer: {name} already has LUN {number}")
        luns[number] = path = f"{ROOT}/{name}/lun{number}.img"
        blank_file(path, size(*words))
        save(config)
        if active(name):
            add_lun(name, number, path)
    elif verb == "remove":
        path = backing(config, name, number)
        del luns[number]
        save(config)
        if active(name) and tgtadm(name, "--mode", "logicalunit", "--op", "delete", "--tid", "1", "--lun", number, check=False).returncode:
            stop(name)
            start(name)
        os.unlink(path)
    elif verb == "blank":
        path = backing(config, name, number)
        with offline(name):
            blank_file(path, os.path.getsize(path))
    elif verb == "resize":
        path = backing(config, name, number)
        with offline(name):
            os.truncate(path, size(*words))
    else:
        sys.exit(f"filer: lun add, remove, blank or resize, not {verb}")


def swap(one, other, number):
    config = load()
    here, there = backing(config, one, number), backing(config, known(other), number)
    with offline(one, other):
        os.rename(here, here + ".swap")
        os.rename(there, here)
        os.rename(here + ".swap", there)
        os.sync()


def setting(name, key, value):
    config = load()
    config[name][key] = value
    save(config)


def chap(name, *words):
    if len(words) not in (2, 4):
        sys.exit("filer: chap NAME USER PASSWORD [MUSER MPASSWORD]")
    with offline(name):
        setting(name, "chap", words)


def nochap(name):
    with offline(name):
        setting(name, "chap", None)


def wanted(name):
    return f"/etc/systemd/system/multi-user.target.wants/{unit(name)}"


def enable(name):  # as systemctl does, without the five seconds of its reload
    if not os.path.islink(wanted(name)):
        os.symlink("/etc/systemd/system/filer@.service", wanted(name))
        os.sync()


def disable(name):
    if os.path.islink(wanted(name)):
        os.unlink(wanted(name))
        os.sync()


def digest(name, number):
    """sha256 over the length and every MiB that is not all zeroes, with its place: under emulation
    two GiB of zeroes would take minutes. Equal exactly when the contents are."""
    import ctypes
    import hashlib
    import mmap

    path = backing(load(), name, number)
    total, blank, at = hashlib.sha256(b"%d" % os.path.getsize(path)), bytes(PIECE), 0
    file = os.open(path, os.O_RDONLY | os.O_DIRECT)  # past the page cache, as the server does, and much faster
    buffer = mmap.mmap(-1, PIECE)
    memory = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    differs = ctypes.CDLL(None).memcmp
    differs.argtypes = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    while length := os.preadv(file, [buffer], at):
        if differs(memory, blank, length):
            total.update(b"%d:" % at + buffer[:length])
        at += length
    print(total.hexdigest())


def netem(name, *words):
    if words in (("off",), ()):
        run("tc", "-n", name, "qdisc", "del", "dev", "eth0", "root", check=False)
    else:
        run("tc", "-n", name, "qdisc", "replace", "dev", "eth0", "root", "netem", *words)


def heal(name):
    """End every fault of one server; settings and contents stay."""
    if hung(name):
        unhang(name)
    netem(name, "off")
    restore(name)
    if not active(name):
        start(name)


def reset():
    config = load()
    for name in SERVERS:
        for number, path in config[name]["luns"].items():
            if number != "1":
                os.unlink(path)
    if os.path.exists(CONFIG):
        os.unlink(CONFIG)
    for name in SERVERS:
        enable(name)
    changed = [name for name in SERVERS if config[name] != defaults(name)]
    for name in SERVERS:
        if name in changed:
            stop(name)
        heal(name)


def status(*names):
    config, report = load(), {}
    for name in names or SERVERS:
        control, addresses, iqn = SERVERS[known(name)]
        report[name] = config[name] | {
            "iqn": iqn, "addresses": addresses, "link": "up" if link_is_up(name) else "down",
            "process": "hung" if hung(name) else "running" if active(name) else "stopped",
            "at_boot": os.path.islink(wanted(name)),
            "netem": run("tc", "-n", name, "qdisc", "show", "dev", "eth0").stdout.strip(),
        }
    print(json.dumps(report, indent=1))


VERBS = {
    "cut": cut, "restore": restore, "stop": stop, "start": start, "crash": crash, "hang": hang, "unhang": unhang,
    "lun": lun, "swap": swap, "chap": chap, "nochap": nochap, "hash": digest, "netem": netem, "serve": serve, "heal": heal,
    "path": lambda name, number: print(backing(load(), name, number)),
    "enable": enable, "disable": disable,
    "delay": lambda name, seconds: setting(name, "delay", float(seconds)),
    "logs": lambda name: print(run("journalctl", "-o", "cat", "-u", unit(name)).stdout),
}
NAMELESS = {"network": network, "reset": reset, "status": status}


def main():
    verb, *words = sys.argv[1:] or ["help"]
    try:
        if verb in NAMELESS:
            NAMELESS[verb](*words)
        elif verb in VERBS and words:
            VERBS[verb](known(words[0]), *words[1:])
        else:
            sys.exit(__doc__)
    except TypeError as error:
        sys.exit(f"filer: {error}\n{__doc__}")
