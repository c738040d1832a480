"""The program: `lunmirror`, and `python3 -m lunmirror`."""

from lunmirror.cli.main import main

if __name__ == "__main__":
    main()
