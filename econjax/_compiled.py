"""Programs behind public functions: a call outside `jit` compiles once for its shapes."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import equinox as eqx
import numpy as np
from jaxtyping import Array

from econjax._arrays import is_concrete

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


def compiled_to_nan(function: Callable[Arguments, Array]) -> Callable[Arguments, Array]:
    """Return a function of arrays as one program, where illegal values are those that give nan.

    Raises:
        Exception: what the function raises by itself for these values, where they are known.
    """
    program = eqx.filter_jit(function)

    @wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Array:
        found = program(*args, **kwargs)
        if is_concrete(found) and np.isnan(found).any():
            return function(*args, **kwargs)
        return found

    return call
