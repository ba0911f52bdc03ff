"""The demo's analytical assets: a logistic regression and a rule. They run at the caller's side."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LogisticRegression:
    """Weights on standardised inputs, the intercept first."""

    weights: Floats
    mean: Floats
    scale: Floats

    def score(self, inputs: Floats) -> Floats:
        """Return the probability that the price rises, for rows of inputs."""
        z = (inputs - self.mean) / self.scale @ self.weights[1:] + self.weights[0]
        found: Floats = 1 / (1 + np.exp(-np.clip(z, -30, 30)))
        return found

    @property
    def digest(self) -> str:
        """Name this very model: SHA-256 over its numbers."""
        raw = b"".join(part.tobytes() for part in (self.weights, self.mean, self.scale))
        return "sha256:" + hashlib.sha256(raw).hexdigest()


def train(inputs: Floats, labels: NDArray[np.int64], *, ridge: float = 1.0) -> LogisticRegression:
    """Fit by Newton's method with a ridge; an input that never varies gets no weight."""
    mean, scale = inputs.mean(axis=0), inputs.std(axis=0)
    varies = scale > 1e-12  # noqa: PLR2004 - below rounding of the published data
    scale = np.where(varies, scale, 1.0)
    x = np.column_stack([np.ones(len(inputs)), (inputs - mean) / scale * varies])
    weights = np.zeros(x.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + ridge * np.eye(x.shape[1])
        weights = weights + np.linalg.solve(hessian, x.T @ (labels - p) - ridge * weights)
    return LogisticRegression(weights, mean, scale)


def recalibrated(
    model: LogisticRegression, inputs: Floats, labels: NDArray[np.int64]
) -> LogisticRegression:
    """Return the model with its intercept moved so that its mean score is these rows' share."""
    weights = model.weights.copy()
    for _ in range(25):
        p = replace(model, weights=weights).score(inputs)
        weights[0] += (labels - p).sum() / (p * (1 - p)).sum()
    return replace(model, weights=weights)
