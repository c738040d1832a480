"""The command line: the only module that prints, exits, and opens the live host."""
