"""A simulated machine behind the host protocol: servers, LUN bytes, sessions, LVM, device-mapper, mounts.

It answers exactly the command lines that lunmirror issues, as the lab showed the real programs to answer. A command
line that it does not know raises; a step that would destroy data raises Harm, whatever lunmirror thought of it.
"""
