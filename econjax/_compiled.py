"""Programs behind public functions: a call outside `jit` compiles once for its shapes."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import equinox as eqx

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return a function of arrays as one program; within `jit` it is a part of the caller's.

    For functions of a module, whose Python numbers were made arrays: others are a part of the
    program.

    Raises:
        Exception: what the function raises by itself for these values, where the program finds them
        illegal.
    """
    program = eqx.filter_jit(function)

    @wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return program(*args, **kwargs)
        except eqx.EquinoxRuntimeError:
            function(*args, **kwargs)
            raise

    return call
