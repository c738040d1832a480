"""The lab's machine for the contract's second half, if there is to be one (LUNMIRROR_WHEEL, as `make` sets it)."""

import importlib.util
import os
import sys
from pathlib import Path

if os.environ.get("LUNMIRROR_WHEEL"):
    _place = Path(__file__).parents[1] / "lab" / "conftest.py"
    _spec = importlib.util.spec_from_file_location("lab_conftest", _place)
    assert _spec
    assert _spec.loader
    _lab = importlib.util.module_from_spec(_spec)
    sys.modules["lab_conftest"] = _lab
    _spec.loader.exec_module(_lab)
    machine, lab = _lab.machine, _lab.lab
