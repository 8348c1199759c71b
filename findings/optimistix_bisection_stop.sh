#!/usr/bin/env bash
# optimistix 0.1.0: bisection does not stop when its interval is small, as its documentation says: the function must be below `atol` too.
#
# Expected: bisection halves an interval over which the sign changes until it is as narrow as asked, whatever the function's unit and
# whether or not it jumps; a root at an end of the interval is found at either end. SciPy's bisect does all of it.
# Seen: the rate that raises $200 billion of a base of $1,000 billion, asked for within 0.0001, "fails" after 256 steps in 32-bit numbers:
# `atol` is also a bound on the revenue's error, in dollars, which rounding keeps above it. In 64-bit numbers it takes 51 steps, in billions
# of dollars 21 (32 bits). Where the function jumps over 0, as at the income at which a credit ends at a cliff, it fails in any unit. The
# values are right to the last digits, and by default root_find raises instead of returning them. With f(x) = x the root at the lower end of
# [0, 1] is refused as "not contained", with f(x) = x - 1 the one at the upper end is found; where f falls it is the other way round.
# Remedy: throw=False and a look at the value, or a function scaled to the tolerance; an interval a little wider.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "optimistix==0.1.0" "jax==0.10.1" "jaxlib==0.10.1" "equinox==0.13.8" "scipy==1.17.1"
cat > "$folder/look.py" <<'EOF2'
import jax
import jax.numpy as jnp
import optimistix as optx
from scipy.optimize import bisect

SOLVER = optx.Bisection(rtol=0, atol=1e-4)


def found(function, lower, upper, **options):
    """The root, the steps it took and whether all is said to be well."""
    ends = {"lower": lower, "upper": upper}
    middle = (lower + upper) / 2
    answer = optx.root_find(lambda x, _: function(x), SOLVER, middle, options=ends, **options)
    return float(answer.value), int(answer.stats["num_steps"]), answer.result == optx.RESULTS.successful


def refused(function):
    try:
        found(function, 0.0, 1.0)
    except Exception as error:
        return "not contained" in str(error)
    return False


def missing(rate):
    """Dollars that a flat tax is short of, where the base shrinks as the rate rises."""
    return 1e12 * rate * (1 - rate) - 2e11


def cliff(income):
    """What another dollar is worth, less what the credit was."""
    return jnp.where(income < 0.3, -1.0, 1.0)


def taken(precise, unit):
    with jax.enable_x64(precise):
        rate, steps, well = found(lambda rate: missing(rate) / unit, 0.0, 0.5, throw=False)
    print(f"{64 if precise else 32} bits, unit ${unit:.0e}: rate {rate:.6f}, {steps} steps, success: {well}")
    assert abs(rate - bisect(missing, 0, 0.5)) < 1e-4
    return steps, well


assert taken(False, 1) == (256, False)
assert taken(True, 1) == (51, True)
in_billions, well = taken(False, 1e9)
assert well and in_billions < 25
try:
    found(missing, 0.0, 0.5)
except Exception as error:
    assert "maximum number of steps" in str(error)
else:
    raise SystemExit("it is no error any more")
income, steps, well = found(cliff, 0.0, 1.0, throw=False)
print(f"cliff: {income:.7f}, {steps} steps, success: {well}")
assert steps == 256 and not well and abs(income - 0.3) < 1e-6
assert abs(bisect(lambda x: float(cliff(x)), 0, 1) - 0.3) < 1e-6
ends = {"x": lambda x: x, "x - 1": lambda x: x - 1, "-x": lambda x: -x, "1 - x": lambda x: 1 - x}
seen = {name: refused(function) for name, function in ends.items()}
print("root at an end of [0, 1] refused:", seen)
assert seen == {"x": True, "x - 1": False, "-x": False, "1 - x": True}
assert [bisect(function, 0, 1) for function in ends.values()] == [0, 1, 0, 1]
EOF2
JAX_PLATFORMS=cpu "$folder/env/bin/python" "$folder/look.py"
