#!/usr/bin/env bash
# pytest 9.2.0 with pytest-xdist 3.8.0: `--dist loadgroup` groups nothing, and says nothing.
#
# Expected (documented by pytest-xdist): tests that carry the same xdist_group mark run in one worker.
# Seen: with pytest 9.2.0 they are dealt out one by one as if there were no mark, with no warning; with pytest
# 9.0.2 and the same pytest-xdist each group stays in one worker. Whatever a group shares (a server, compiled
# programs) is made once in every worker: suites get slow, tests that rely on order or on a port fail.
# `--dist loadfile` still keeps files together with both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/suite"
cat > "$folder/suite/test_groups.py" <<'EOF'
import pytest


@pytest.mark.parametrize("part", range(8))
@pytest.mark.xdist_group("one")
def test_one(part, worker_id):
    print("RAN", "one", worker_id)


@pytest.mark.parametrize("part", range(8))
@pytest.mark.xdist_group("other")
def test_other(part, worker_id):
    print("RAN", "other", worker_id)
EOF

# Prints "GROUP WORKERS" for each group: how many workers ran its tests.
workers_of_each_group() {  # pytest version, --dist
    python3 -m venv "$folder/$1" 2>/dev/null
    "$folder/$1/bin/pip" install --quiet "pytest==$1" "pytest-xdist==3.8.0" 2>/dev/null
    (cd "$folder/suite" && "$folder/$1/bin/python" -m pytest -p no:cacheprovider -n 2 --dist "$2" -rP 2>/dev/null) |
        awk '$1 == "RAN" && !seen[$2 $3]++ {n[$2]++} END {for (g in n) print g, n[g]}' | sort | paste -sd ' '
}

old=$(workers_of_each_group 9.0.2 loadgroup)
new=$(workers_of_each_group 9.2.0 loadgroup)
file=$(workers_of_each_group 9.2.0 loadfile)
echo "pytest 9.0.2, loadgroup: workers by group: $old"
echo "pytest 9.2.0, loadgroup: workers by group: $new"
echo "pytest 9.2.0, loadfile (one file holds both): $file"
[ "$old" = "one 1 other 1" ]
[ "$new" = "one 2 other 2" ]
[ "$file" = "one 1 other 1" ]
