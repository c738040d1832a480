"""python3 -m lunmirror"""

from lunmirror.cli import main

main()
