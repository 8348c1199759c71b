import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_policy.engines.openai.loop import Loop


class Broken(Exception):
    pass


@pytest.fixture(scope="module")
def loop():
    loop = Loop()
    yield loop
    loop.close(lambda: asyncio.sleep(0))


@given(
    things=st.integers(0, 30),
    together=st.integers(1, 8),
    bad=st.sets(st.integers(0, 29), max_size=3),
)
def test_whatever_was_begun_comes_once_and_after_a_failure_nothing_more_is_begun(
    loop, things, together, bad
):
    begun = []

    async def ask(thing):
        begun.append(thing)
        await asyncio.sleep(0)
        if thing in bad:
            raise Broken(thing)
        return -thing

    come = [one for some in loop.each(range(things), ask, together=together) for one in some]
    assert sorted(one.place for one in come) == sorted(begun)
    assert len(set(begun)) == len(begun)
    for one in come:
        assert (one.error is not None) == (one.place in bad)
        assert one.error is not None or one.answer == -one.place
    if not bad & set(range(things)):
        assert len(begun) == things
    else:
        assert set(range(min(bad & set(begun)) + 1)) <= set(begun)


def test_no_more_than_so_many_are_asked_at_a_time(loop):
    now = most = 0

    async def ask(thing):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    list(loop.each(range(9), ask, together=3))
    assert most == 3


def test_who_stops_listening_waits_for_nobody(loop):
    asked = []

    async def ask(thing):
        asked.append(thing)
        if thing > 1:
            await asyncio.Event().wait()
        return thing

    with contextlib.closing(loop.each(range(9), ask, together=4)) as coming:
        heard = [one.place for one in next(coming)]
        while len(heard) < 2:
            heard += [one.place for one in next(coming)]
    assert heard == [0, 1]
    assert len(asked) <= 6
