import pytest

from llm_policy.engines._arrivals import in_threads


def test_what_a_worker_raises_is_raised():
    def worker(put):
        put(1)
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        list(in_threads([worker]))
    assert list(in_threads([])) == []
