"""Which cluster is meant: light, for the command line."""

import re
from typing import NamedTuple


class ClusterAddress(NamedTuple):
    """An address as Ray takes it, and how many tasks run at a time: None where the cluster says."""

    address: str
    workers: int | None


def cluster_address(said: str) -> ClusterAddress:
    """Return the cluster that `--ray` names.

    Raises:
        ValueError: it names none.
    """
    found = re.fullmatch(r"local(?::(\d+))?", said)
    if found:
        workers = None if found[1] is None else int(found[1])
        if workers == 0:
            raise ValueError("--ray local:N has 1 worker or more; got 0.")
        return ClusterAddress("local", workers)
    if said.startswith("ray://"):
        raise ValueError(
            f"--ray {said} is the address of a client, whose files no cluster writes: give the "
            "command on a machine of the cluster, with --ray auto."
        )
    if said != "auto" and not re.fullmatch(r"[^\s/:]+:\d+", said):
        raise ValueError(
            f"--ray is local, local:N (so many workers), auto (the cluster of this machine) or "
            f"HOST:PORT; got {said!r}."
        )
    return ClusterAddress(said, None)
