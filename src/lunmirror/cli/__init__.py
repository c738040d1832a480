"""The command line: the only room that prints, exits, and opens the live host."""
