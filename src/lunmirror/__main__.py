"""The program: `lunmirror`, and `python3 -m lunmirror`."""

from lunmirror.host import modules


def main() -> None:
    """Run the command line, its modules taken from one file where that is kept. Does not return."""
    modules.use()
    from lunmirror import cli

    cli.main()


if __name__ == "__main__":
    main()
