"""`apply` in front of somebody: what it is at, with the time running; steps as they end; one question before a risk."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from lunmirror.engine.errors import LunmirrorError
from lunmirror.engine.journal import is_bookkeeping
from lunmirror.engine.model import WAITS, Outcome, Step
from lunmirror.host import waiting
from lunmirror.report.style import DIM, YELLOW, Style, block
from lunmirror.report.table import is_risky, outcome_lines
from lunmirror.report.watch import fitted

TICK = 0.5  # seconds between two looks at the clock
BEFORE, DURING = 3600.0, 60.0  # seconds that somebody has to answer: before the pass, and while it holds the lock
ERASE = "\r\x1b[K"


class Live:
    """The bottom line of a terminal while steps run. `show` writes to it at once."""

    def __init__(self, style: Style, show: Callable[[str], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self.style, self.show, self.clock = style, show, clock
        self._step: Step | None = None
        self._since = 0.0
        self._thread: Any = None
        self._over: Any = None

    def begin(self, step: Step) -> None:
        """A step begins; of several at once the first is shown."""
        if self._step is None:
            self._step, self._since = step, self.clock()
            self.draw()
            self._tick()

    def end(self, outcome: Outcome) -> None:
        """A step has ended: it stays on the screen, unless it only notes something down."""
        self._step = None
        if outcome.status == "done" and is_bookkeeping(outcome.step) and not isinstance(outcome.step.action, WAITS):
            self.show(ERASE)
            return
        self.show(ERASE + block(outcome_lines(outcome, self.style), self.style))

    def close(self) -> None:
        self._step = None
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self.show(ERASE)

    def draw(self) -> None:
        step = self._step
        if step is not None:
            line = fitted(self.line(step, self.clock() - self._since), max(10, self.style.columns - 1))
            self.show(ERASE + self.style.fit(self.style.paint(line, DIM)))

    def line(self, step: Step, seconds: float) -> str:
        """ "… session filer2: wait for filer2 (12 of 30 s)"; the time stands where it is not cut off."""
        patient = isinstance(step.action, WAITS)
        time_ = f"{int(seconds)} of {step.action.deadline:g} s" if patient else f"{int(seconds)} s"  # type: ignore[union-attr]
        return f"… {time_}  {step.ref}: {step.title}"

    def _tick(self) -> None:
        if self._thread is None:
            import threading  # only in front of a terminal

            self._over = threading.Event()
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(TICK):
            self.draw()


class Consent:
    """Asks once before steps that write over a device, give something up, or go on with fewer copies."""

    def __init__(self, style: Style, show: Callable[[str], Any], answer: Callable[[float], str]) -> None:
        self.style, self.show, self.answer = style, show, answer
        self.given: bool | None = None

    def to_plan(self, steps: Sequence[Step], shown: str) -> None:
        """`shown`: the plan, rendered. Raises LunmirrorError if nobody agrees."""
        risky = [step for step in steps if is_risky(step)]
        if risky:
            self.show(shown)
            if not self._ask(risky, BEFORE):
                raise LunmirrorError(
                    "nothing was done: the plan was not agreed to",
                    next="`lunmirror plan -v` shows each step in full; `lunmirror apply --yes` does not ask",
                )

    def __call__(self, step: Step) -> bool:
        """Whether this step may be taken; for one that the plan could not foretell it is asked now."""
        if not is_risky(step):
            return True
        if self.given is None:
            self.show(block(["", *self.style.lines("! ", f"{step.ref}: {step.title}", YELLOW)], self.style))
            self.show(block(self.style.field("risk", step.proof or "fewer copies"), self.style))
            self._ask([step], DURING)
        return bool(self.given)

    def _ask(self, risky: Sequence[Step], seconds: float) -> bool:
        many = len(risky)
        what = "There is a step with a risk." if many == 1 else f"There are {many} steps with a risk."
        self.show(self.style.fit(f"\n{what} Go on? [y/N] "))
        self.given = self.answer(seconds).strip().lower() in ("y", "yes")
        return self.given


def answer(seconds: float) -> str:
    """One line from the terminal; "" when it is at its end, or nobody answers in time. Raises Interrupted."""
    import select

    number = sys.stdin.fileno()
    waiting.until(lambda: bool(select.select([number], [], [], 0)[0]), seconds)
    ready = bool(select.select([number], [], [], 0)[0])
    return os.read(number, 1000).decode(errors="replace") if ready else ""
