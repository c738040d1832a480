"""`adopt` and `init`: a configuration proposed from what is there. They read, and never decide: an administrator reads
the proposal, changes it, and puts it in its place.

proposal: what is proposed, as plain data · writing: it, as commented TOML · sessions: servers, targets and LUNs, from the
kernel's sessions · records: what their node records say · groups, volumes, mounts: what is in use on the LUNs · verdict:
what `plan` says of a proposal · adopt: from the machine to the text.

Nobody but the command line imports this.
"""
