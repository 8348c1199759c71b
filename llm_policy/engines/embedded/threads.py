"""What does not depend on each other, side by side: a pass alone leaves a CPU's cores half idle."""

import functools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import jax

from llm_policy.engines._host import cores

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def side_by_side(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Return what `function` makes of each item, in float32: on a CPU on all of its cores."""

    def alone(item: _Item) -> _Result:
        with jax.enable_x64(False):  # a thread has settings of its own
            return function(item)

    items = list(items)
    if len(items) == 1 or cores() == 1 or jax.default_backend() != "cpu":
        return list(map(alone, items))
    return list(_threads().map(lambda item: jax.block_until_ready(alone(item)), items))


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Return a thread for each core."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="econjax-embedded")
