"""How far chance alone moves what few outcomes bring: errors that do not vanish with luck. Pure.

The textbook's error of a mean is that of the outcomes at hand: of one it is nothing, of fifty among
which one in fifty would have brought a hundred it is nothing on every third day. So what is rare is
smoothed as shares are (Wilson, 1927): outcomes that sum up to S, their squares to Q, are as good as
S²/Q of them that bring Q/S each, the others nothing. Where that is more than half of them nothing
is rare, and the textbook's error stands.
"""

from math import sqrt

SIGMAS = 3.0
FEWEST = 30
"""Of fewer outcomes a mean or a metric is not held against anything: it may be anywhere."""
BRINGING = 5
"""So many have to have brought or cost something, before a miss is certain: how much they bring is
known from them only."""
_GREATEST = 2.0
"""What brings gains and losses that make up for each other sums up to little of its squares: what
one brings is taken for no more than twice the root mean square."""
_MANY = 100
_ALIKE = 1e-12
"""A variance that is no more of the mean square is what rounding left."""
_HALF = SIGMAS**2 / 2


def of_share(hits: float, rows: float) -> float:
    """Return the error of a share: Agresti and Coull's (1998), for few hits are no sure share."""
    likely = (hits + _HALF) / (rows + 2 * _HALF)
    return sqrt(likely * (1 - likely) / (rows + 2 * _HALF))


def as_good_as(total: float, squares: float, bringing: int) -> tuple[float, float]:
    """Return how many equal ones outcomes are as good as, and what one of them brings."""
    if squares <= 0:
        return 0.0, 0.0
    each = _GREATEST * sqrt(squares / max(bringing, 1))
    if total:
        each = min(squares / abs(total), each)
    return squares / each / each, each


def of_mean(total: float, squares: float, rows: int, bringing: int) -> float | None:
    """Return the error of a mean; nothing, where none has brought anything."""
    number, each = as_good_as(total, squares, bringing)
    if not number:
        return None
    mean = total / rows
    variance = max(squares / rows - mean * mean, 0.0)
    plain, share = sqrt(variance / rows), number / rows
    if share >= 1 / 2 and variance > _ALIKE * squares / rows:
        return plain
    aside = abs(_HALF * (1 - 2 * share)) / (rows + 2 * _HALF)
    around = sqrt(max(share * (1 - share), 0.0) / rows + _HALF / 2 / rows / rows)
    half = aside + SIGMAS * around / (1 + 2 * _HALF / rows)
    return max(plain, half * each / SIGMAS)


def of_total(total: float, squares: float, bringing: int) -> float | None:
    """Return the error of a sum of outcomes whose number is chance as well (Poisson's).

    It is of days of as much business: what varies from day to day otherwise is no chance to a sum,
    which is what happened. Its variance is Σx²; of those that are as good as less than a hundred it
    is smoothed.
    """
    number, each = as_good_as(total, squares, bringing)
    if not number:
        return None
    return rare(number) * each if number < _MANY else sqrt(squares)


def rare(number: float) -> float:
    """Return the error of a number of events, as of those that would bring so few or so many."""
    return sqrt(number + _HALF / 2) + _HALF / SIGMAS


def unseen(total: float, squares: float, rows: int, bringing: int) -> float:
    """Return by how much Σx² falls short of a sum's variance, where few of the rows are rare."""
    number, each = as_good_as(total, squares, bringing)
    if not number or number >= min(rows / 2, _MANY):
        return 0.0
    return max((rare(number) * each) ** 2 - squares, 0.0)
