#!/usr/bin/env bash
# JAX 0.10.1: a jitted helper is traced twice for the same shapes if a derivative's rule calls it too, unless the (empty) mesh is set to itself.
#
# Expected: `jax.jit` traces a function once for its shapes and types. A helper that a function calls, and the rule of its derivative again with
# the same arrays, costs its Python once; `with jax.sharding.use_abstract_mesh(jax.sharding.get_abstract_mesh())` changes nothing.
# Seen: within a jitted function the helper is traced twice, and so is every jitted function of jax.numpy that both use. With the line
# above, which sets what is set, once. JAX traces the function with no mesh set, and evaluates its program for the derivative with an
# empty one: two contexts to its cache, of which `JAX_EXPLAIN_CACHE_MISSES` says that the context does not match, "e.g. due to config". (Without
# an outer `jit` the rule is traced in the same context: once.) With one helper jitted, the line takes a sixth from the time in which our gradient is traced.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "jax==0.10.1" "jaxlib==0.10.1" "numpy==2.3.5"
cat > "$folder/look.py" <<'EOF2'
import contextlib

import jax
import jax.numpy as jnp

traced = []


@jax.jit
def helper(x):
    traced.append(x)
    return jnp.sin(x) * x


@jax.custom_jvp
def function(x):
    return helper(x)


@function.defjvp
def rule(primals, tangents):
    (x,), (moved,) = primals, tangents
    return helper(x), moved * helper(x)


same = lambda: jax.sharding.use_abstract_mesh(jax.sharding.get_abstract_mesh())
for name, given in {"jitted function": jax.jit(function), "function": function}.items():
    for mesh, context in {"as it is": contextlib.nullcontext, "set to itself": same}.items():
        jax.clear_caches()
        traced.clear()
        with context():
            jax.jit(jax.grad(given)).lower(1.0)
        print(f"{name}, mesh {mesh}: traced {len(traced)} times")
EOF2
said=$(JAX_PLATFORMS=cpu "$folder/env/bin/python" "$folder/look.py")
printf '%s\n' "$said"
diff - <(printf '%s\n' "$said") <<'EOF2'
jitted function, mesh as it is: traced 2 times
jitted function, mesh set to itself: traced 1 times
function, mesh as it is: traced 1 times
function, mesh set to itself: traced 1 times
EOF2
