#!/bin/sh
# Turns a plain Debian tree into the lab's guest. $1: the tree; GUEST: this folder; WHEELS, KEY: what the host prepared.
# open-iscsi's and lvm2's own units and settings stay as Debian ships them: they are part of what is under test.
set -eu
root=$1

in_root() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"; }

# --- lunmirror's interpreter and dependencies: the wheel itself comes later, without a network
mkdir -p "$root/tmp/wheels"
cp "$WHEELS"/*.whl "$GUEST/requirements.txt" "$root/tmp/wheels/"
in_root python3 -m venv /opt/lunmirror
in_root /opt/lunmirror/bin/pip install --quiet --no-index --no-cache-dir --find-links /tmp/wheels -r /tmp/wheels/requirements.txt
in_root sh -c '/opt/lunmirror/bin/python -m compileall -q /opt/lunmirror/lib /usr/lib/python3.1? /usr/lib/python3/dist-packages' || true
rm -rf "$root/tmp/wheels"

# --- the lab's own tools
install -d "$root/usr/local/lib/lunmirror-lab" "$root/srv/filers" "$root/var/log/journal"
install -m 644 "$GUEST/agent.py" "$GUEST/filer.py" "$GUEST/writer.py" "$root/usr/local/lib/lunmirror-lab/"
in_root python3 -m compileall -q /usr/local/lib/lunmirror-lab
for tool in filer writer; do  # a stub, so that the tool itself is compiled once and not at every call
    printf '#!/usr/bin/python3 -SE\nimport sys\nsys.path.insert(0, "/usr/local/lib/lunmirror-lab")\nimport %s\n%s.main()\n' \
        $tool $tool > "$root/usr/local/sbin/$tool"
    chmod 755 "$root/usr/local/sbin/$tool"
done
install -m 644 "$GUEST"/*.service "$root/etc/systemd/system/"
in_root systemctl enable -q lunmirror-lab-agent lunmirror-lab-network \
    filer@filer1 filer@filer2 filer@filer3 filer@bystander

# --- the machine
echo lab > "$root/etc/hostname"
printf '127.0.0.1 localhost lab\n::1 localhost\n' > "$root/etc/hosts"
cat > "$root/etc/fstab" <<FSTAB
/dev/vda /           ext4 noatime,errors=remount-ro 0 0
/dev/vdb /srv/filers ext4 noatime,lazytime,nofail   0 0
FSTAB
install -d -m 700 "$root/root/.ssh"
install -m 600 "$KEY" "$root/root/.ssh/authorized_keys"
: > "$root/etc/motd"

# --- boot: nothing that a lab does not need
in_root systemctl set-default -q multi-user.target
in_root systemctl disable -q rtslib-fb-targetctl.service targetclid.service targetclid.socket 2>/dev/null || true
in_root systemctl disable -q ssh.service tgt.service multipathd.service multipathd.socket 2>/dev/null || true
in_root systemctl mask -q apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer tgt.service getty@tty1.service serial-getty@ttyS0.service \
    console-getty.service systemd-firstboot.service systemd-timesyncd.service
mkdir -p "$root/etc/initramfs-tools/conf.d"
printf 'MODULES=list\nRESUME=none\n' > "$root/etc/initramfs-tools/conf.d/lab"
printf 'virtio_pci\nvirtio_blk\next4\ncrc32c_generic\n' >> "$root/etc/initramfs-tools/modules"
in_root update-initramfs -u
in_root dpkg-query -W -f '${Package} ${Version}\n' > "$root/usr/local/lib/lunmirror-lab/packages"
