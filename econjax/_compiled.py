"""Programs behind public functions: a call outside `jit` compiles once for its shapes."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax
import numpy as np

from econjax._arrays import as_float, is_concrete

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
            # Rules of derivatives are traced under a mesh, be it empty: what is jitted within would
            # be traced once more for them (JAX 0.10.1).
            with jax.sharding.use_abstract_mesh(jax.sharding.get_abstract_mesh()):
                return program(*args, **kwargs)
        except eqx.EquinoxRuntimeError:
            function(*args, **kwargs)
            raise

    return call


def compiled_to_nan(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return a function of numbers as one program, where illegal values are those that give nan.

    Whatever is no `bool` and not None is made an array of floats.

    Raises:
        Exception: what the function raises by itself for these values, where they are known.
    """
    program: Callable[..., Result] = compiled(function)

    @wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        numbers = {name: _as_number(value) for name, value in kwargs.items()}
        found = program(*map(_as_number, args), **numbers)
        if any(is_concrete(part) and np.isnan(part).any() for part in jax.tree.leaves(found)):
            return function(*args, **kwargs)
        return found

    return call


def _as_number(value: Any) -> Any:
    return value if value is None or isinstance(value, bool) else as_float(value)
