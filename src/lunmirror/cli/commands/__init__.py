"""One module for each verb.

HELP:      one line for the list of verbs.
ABOUT:     what it does; for `lunmirror help VERB` and the manual page. A word in backquotes is bold there.
EXAMPLE:   one command line, and what it is good for.
arguments: adds what the verb takes to its parser.
run:       does it; the exit code. Raises LunmirrorError.

What a verb needs beyond that is imported by `run`: each pass imports all verbs, and pays for no other.
"""
