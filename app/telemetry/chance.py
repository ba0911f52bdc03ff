"""How far chance alone puts rates from the chances they have. Pure."""

import numpy as np
from scipy.special import erf, gammaln

from app.kit.arrays import Floats, Ints


def mean_deviation(n: Ints | Floats, p: Floats) -> Floats:
    """Return E|X − np| of binomial X, exactly: 2 k C(n, k) pᵏ qⁿ⁻ᵏ⁺¹, k = ⌊np⌋ + 1 (De Moivre)."""
    found = np.zeros(len(n))
    some = (p > 0) & (p < 1)
    size, chance = n[some].astype(np.float64), p[some]
    k = np.minimum(np.floor(size * chance) + 1, size)
    ways = gammaln(size + 1) - gammaln(k + 1) - gammaln(size - k + 1)
    found[some] = 2 * np.exp(
        np.log(k) + ways + k * np.log(chance) + (size - k + 1) * np.log1p(-chance)
    )
    return found


def folded_variance(mean: Floats, variance: Floats) -> Floats:
    """Return the variance of a normal number's size: all of its own far from 0, 36 % of it at 0."""
    deviation = np.sqrt(variance)
    away = np.divide(mean, deviation, out=np.zeros(len(mean)), where=deviation > 0)
    size = np.sqrt(2 / np.pi) * np.exp(-(away**2) / 2) + away * erf(away / np.sqrt(2))
    return np.asarray(np.maximum(variance * (1 + away**2 - size**2), 0.0))
