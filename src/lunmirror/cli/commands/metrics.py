"""`lunmirror metrics`."""

from argparse import Namespace

from lunmirror.cli import options, output
from lunmirror.cli.options import Parser
from lunmirror.engine.errors import HostError
from lunmirror.engine.exits import Exit
from lunmirror.host import statusfile

HELP = "print what the last pass saw, for Prometheus"
ABOUT = """
Prints what the last pass of `apply` saw as metrics, in Prometheus's text
format. It reads /run/lunmirror/status.json and nothing else, so it needs no
root, touches no disk, and asks no server. `watch.textfile` has the same written
to a file after each pass.
"""
EXAMPLE = "lunmirror metrics | promtool check metrics", "whether Prometheus takes them"


def arguments(parser: Parser) -> None:
    options.json(parser)


def run(args: Namespace) -> Exit:
    """Raises HostError."""
    from lunmirror.watch import document, metrics

    try:
        status = statusfile.look()
        if status.get("schema") != document.SCHEMA:
            raise ValueError(f"it is of schema {status.get('schema')!r}")
        if args.json:
            return output.print_json(status)
        return output.print_text(metrics.render(status))
    except FileNotFoundError:
        why, next = "no pass of `lunmirror apply` has ended since boot", "wait for the timer's pass, or start one"
    except OSError as error:
        from lunmirror.host import words

        why, next = words.of(error), "make it readable, or run as root"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why, next = f"it is not as this lunmirror writes it ({type(error).__name__})", "wait for the next pass"
    raise HostError(
        f"cannot show what the last pass saw: no use can be made of {statusfile.path()}", why=why, next=next
    )
