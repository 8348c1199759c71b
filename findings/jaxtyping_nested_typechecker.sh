#!/usr/bin/env bash
# jaxtyping 0.3.11: a type checker named by a dotted path is found only if somebody else imported its module.
#
# Expected: install_import_hook(modules, "checks.inner.check") imports checks.inner and takes check from it,
# as "beartype.beartype" works without importing beartype first.
# Seen: only the first part of the name is imported. Where the checker stands in a module of a package, the
# first hooked module fails with AttributeError (module 'checks' has no attribute 'inner'), or not, depending
# on what was imported before: a test suite passes whole and fails file by file. Import the module yourself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" 2>/dev/null
"$folder/venv/bin/pip" install --quiet "jaxtyping==0.3.11" "beartype==0.23.1" "numpy==2.3.5" 2>/dev/null
mkdir "$folder/checks"
touch "$folder/checks/__init__.py"
echo "from beartype import beartype as check" > "$folder/checks/inner.py"
cat > "$folder/shapes.py" <<'EOF'
import numpy as np
from jaxtyping import Float


def total(values: Float[np.ndarray, " n"]) -> float:
    return float(values.sum())
EOF

# Prints how importing the hooked module ends; with a second argument the checker's module is imported first.
hook() {
    (cd "$folder" && venv/bin/python -B - "$@" <<'EOF'
import importlib
import sys

from jaxtyping import install_import_hook

if len(sys.argv) > 2:
    importlib.import_module(sys.argv[2])
install_import_hook("shapes", sys.argv[1])
try:
    import shapes
except AttributeError as error:
    print(f"AttributeError: {error}")
else:
    print("imported")
EOF
    )
}

top=$(hook beartype.beartype)
nested=$(hook checks.inner.check)
after=$(hook checks.inner.check checks.inner)
echo "beartype.beartype: $top"
echo "checks.inner.check: $nested"
echo "checks.inner.check, checks.inner imported before: $after"
[ "$top" = "imported" ]
[ "$nested" = "AttributeError: module 'checks' has no attribute 'inner'" ]
[ "$after" = "imported" ]
