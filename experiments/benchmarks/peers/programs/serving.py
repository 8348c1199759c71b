"""The loop of a peer's program: `python serving.py MODULE` serves the module's `_OPERATIONS`.

It is told what to prepare, then runs it whenever it is told to. Needs the standard library and
NumPy alone, for it runs in the peer's own environment, as does all of this folder.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Prepared(NamedTuple):
    """A call to time, and the law in force: thresholds in dollars a year, and rates.

    The call returns each person's tax in dollars a year, or None where nobody else computes the
    same.
    """

    run: Callable[[], Any]
    thresholds: Any
    rates: Any


def serve(module: str) -> None:
    """Answer the orders on standard input, a line of JSON each, until it ends.

    A module's operations take incomes in dollars a year, and return what is `Prepared`.
    {"prepare": operation, "incomes": file, "result": file} is answered with the law, after a first
    call whose result is written; {"calls": number} with the seconds of so many calls together.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the peer prints, at its import too, is no answer
    operations: dict[str, Callable[[np.ndarray], Prepared]]
    operations = importlib.import_module(module)._OPERATIONS
    run: Callable[[], Any] = dict
    for line in sys.stdin:
        order = json.loads(line)
        if "prepare" in order:
            run, thresholds, rates = operations[order["prepare"]](np.load(order["incomes"]))
            result = run()
            if result is not None:
                np.save(order["result"], np.asarray(result, float).ravel())
            answer = {"thresholds": list(map(float, thresholds)), "rates": list(map(float, rates))}
        else:
            begun = time.perf_counter()
            for _ in range(order["calls"]):
                run()
            answer = {"seconds": time.perf_counter() - begun}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
