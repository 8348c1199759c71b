"""An independent answer to every economy in these tests: NumPy and SciPy only, nothing of econjax.

Comments name the sections of the tables of independently computed answers ("oracles") that figures
were copied from: exact solutions and gold numbers found with NumPy and SciPy by other methods.

A worker is a potential income n (income at a zero rate) and u = z - T(z) + R - n/(1+1/e)
(z/n)^(1+1/e).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, ndtr, ndtri

# Single filer, 2024.
THRESHOLDS = np.array([0.0, 11600, 47150, 100525, 191950, 243725, 609350])
US_2024 = np.array([0.10, 0.12, 0.22, 0.24, 0.32, 0.35, 0.37])
# The default GB2 of the LLM Economist (section 0): b, a, p, q.
GB2 = (72402.78177917618, 2.0721070746154746, 0.48651871959386955, 1.1410398548220329)


def gb2_quantile(u, v):
    """Return Q(u), with v = 1 - u given separately so that the upper tail keeps its digits."""
    b, a, p, q = GB2
    low, high = betaincinv(p, q, np.minimum(u, 0.5)), betaincinv(q, p, np.minimum(v, 0.5))
    odds = np.where(u <= 0.5, low / (1 - low), (1 - high) / high)
    return b * odds ** (1 / a)


def lognormal_quantile(u, v):
    return 50000 * np.exp(0.75 * np.where(u <= 0.5, ndtri(u), -ndtri(v)))


def lognormal_pareto_quantile(u, v):
    """Return quantiles of ln n = N(ln 40000, 0.6^2) + Exp(2) by bisecting the closed-form cdf."""
    mean, sd, a = np.log(40000), 0.6, 2.0
    low, high = np.full_like(u, mean - 8), np.full_like(u, mean + 40)
    for _ in range(100):
        x = (low + high) / 2
        y = (x - mean) / sd
        tail = np.exp(-a * (x - mean) + (a * sd) ** 2 / 2) * ndtr(y - a * sd)
        below = np.where(u <= 0.5, ndtr(y) - tail < u, ndtr(-y) + tail > v)
        low, high = np.where(below, x, low), np.where(below, high, x)
    return np.exp((low + high) / 2)


def pareto_quantile(lowest, index, highest=np.inf):
    cut = (lowest / highest) ** index
    return lambda u, v: lowest * (v + u * cut) ** (-1 / index)


QUANTILES = {
    "GB2": gb2_quantile,
    "LN": lognormal_quantile,
    "PLN": lognormal_pareto_quantile,
    "BP": pareto_quantile(20000, 1.5, 2_000_000),
}


def grid(name: str, n: int = 20000) -> np.ndarray:
    """Return the quantile grid of potential incomes, Q((i - 1/2) / n)."""
    u = (np.arange(1, n + 1) - 0.5) / n
    return QUANTILES[name](u, 1 - u)


def continuum(quantile, points: int = 20001) -> tuple[np.ndarray, np.ndarray]:
    """Return potential incomes and weights that stand for the continuum: mid-points in log odds."""
    edges = np.linspace(-25, 40, points + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    logistic = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    below, above = logistic(edges), logistic(-edges)
    weight = np.where(middle < 0, np.diff(below), -np.diff(above))
    return quantile(logistic(middle), logistic(-middle)), weight / weight.sum()


def tax(thresholds, rates, income):
    ends = np.append(thresholds[1:], np.inf)
    return sum(
        r * np.clip(income - b, 0, top - b)
        for b, top, r in zip(thresholds, ends, rates, strict=True)
    )


def cost(n, income, elasticity):
    power = 1 + 1 / elasticity
    return np.where(n > 0, n / power * (income / np.where(n > 0, n, 1)) ** power, 0.0)


@dataclass
class Solution:
    """Incomes, utilities and the rebate of the equilibrium (no income effects: one round)."""

    income: np.ndarray
    utility: np.ndarray
    rebate: float
    weight: np.ndarray

    def equivalent(self, aversion: float) -> float:
        """Return the EDE: aversion 0, 1, ..., and infinity for Rawls."""
        if aversion == np.inf:
            return self.utility.min()
        if aversion == 1:
            return np.exp(self.weight @ np.log(self.utility))
        return (self.weight @ self.utility ** (1 - aversion)) ** (1 / (1 - aversion))


def solve(n, thresholds, rates, elasticity, *, weight=None, cap=np.inf, spending=0.0) -> Solution:
    """Return the exact equilibrium: the best of one candidate per segment; `cap` is in dollars."""
    weight = np.full(len(n), 1 / len(n)) if weight is None else weight
    ends = np.append(thresholds[1:], np.inf)
    best, income = np.full(len(n), -np.inf), np.zeros(len(n))
    for b, top, r in zip(thresholds, ends, rates, strict=True):
        z = np.minimum(np.clip(n * (1 - r) ** elasticity, b, top), cap)
        z = np.where(n > 0, z, 0.0)
        u = z - tax(thresholds, rates, z) - cost(n, z, elasticity)
        income, best = np.where(u > best, z, income), np.maximum(u, best)
    rebate = weight @ tax(thresholds, rates, income) - spending
    return Solution(income, best + rebate, rebate, weight)


def crra(amount, curvature):
    """Return (x^(1 - eta) - 1) / (1 - eta), log x at eta = 1, and -inf where there is nothing."""
    amount = np.asarray(amount, float)
    safe = np.where(amount > 0, amount, 1.0)
    value = np.log(safe) if curvature == 1 else (safe ** (1 - curvature) - 1) / (1 - curvature)
    return np.where(amount > 0, value, -np.inf)


def hsv_tax(scale, progressivity, income):
    """Return the log-linear schedule's income - scale * income^(1 - p)."""
    return income - scale * np.asarray(income, float) ** (1 - progressivity)


def lognormal_pdf(n):
    x = np.log(n / 50000) / 0.75
    return np.exp(-(x**2) / 2) / (n * 0.75 * np.sqrt(2 * np.pi))


def lognormal_mean_below(n):
    """Return E[n; n below a bound] of the lognormal economy."""
    return 50000 * np.exp(0.75**2 / 2) * ndtr(np.log(n / 50000) / 0.75 - 0.75)


def two_bracket_revenue(rates, elasticity, edge=60000.0):
    """Return the lognormal continuum's revenue under two brackets, the second taxed less."""
    low, high = rates
    kept = lambda rate: (1 - rate) ** elasticity  # noqa: E731
    gain = (1 - high) * kept(high) - (1 - low) * kept(low)
    jump = edge * (low - high) * (1 + elasticity) / gain  # section 5, interior to interior
    below = lognormal_mean_below(jump)
    above = lognormal_mean_below(np.inf) - below
    share = ndtr(-np.log(jump / 50000) / 0.75)
    return low * kept(low) * below + high * kept(high) * above + edge * (low - high) * share
