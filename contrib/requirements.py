"""Prints what pyproject.toml asks for, one requirement an argument: the package's own and those of the named extras.

So that the development environment has the dependencies without a copy of the package itself.
"""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
wanted = [*project["dependencies"], *(r for extra in sys.argv[1:] for r in project["optional-dependencies"][extra])]
print(*(r.replace(" ", "") for r in wanted))
