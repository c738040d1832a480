"""One report, shown differently: for a person, for a program, as an exit code."""
