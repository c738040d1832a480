"""One report, shown differently: for an administrator, for a program, as an exit code."""
