import contextlib
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_policy.engines._arrivals import arrivals, in_threads


class Broken(Exception):
    pass


@given(
    things=st.integers(0, 30),
    together=st.integers(1, 8),
    bad=st.sets(st.integers(0, 29), max_size=3),
)
def test_whatever_was_begun_comes_once_and_after_a_failure_nothing_more_is_begun(
    things, together, bad
):
    begun, lock = [], threading.Lock()

    def ask(thing):
        with lock:
            begun.append(thing)
        if thing in bad:
            raise Broken(thing)
        return -thing

    come = [one for some in arrivals(range(things), ask, together=together) for one in some]
    assert sorted(one.place for one in come) == sorted(begun)
    assert len(set(begun)) == len(begun)
    for one in come:
        assert (one.error is not None) == (one.place in bad)
        assert one.error is not None or one.answer == -one.place
    if not bad & set(range(things)):
        assert len(begun) == things
    else:
        first = min(bad & set(begun))
        assert set(range(first + 1)) <= set(begun)
        assert len(begun) <= things


def test_no_more_than_so_many_are_asked_at_a_time():
    now, most, lock, full = 0, 0, threading.Lock(), threading.Barrier(3)

    def ask(thing):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        full.wait(timeout=30)  # three at a time are there indeed
        with lock:
            now -= 1

    list(arrivals(range(9), ask, together=3))
    assert most == 3


def test_who_stops_listening_waits_for_nobody():
    never, asked = threading.Event(), []

    def ask(thing):
        asked.append(thing)
        return thing if thing < 2 or never.wait(timeout=60) else None

    with contextlib.closing(arrivals(range(9), ask, together=4)) as coming:
        heard = [one.place for one in next(coming)]
        while len(heard) < 2:
            heard += [one.place for one in next(coming)]
    assert heard == [0, 1]
    assert len(asked) <= 6
    never.set()


def test_what_a_worker_raises_is_raised():
    def worker(put):
        put(1)
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        list(in_threads([worker]))
    assert list(in_threads([])) == []
