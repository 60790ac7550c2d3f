"""How long a server may take for its first word before its slot is for others (S-002)."""

from __future__ import annotations

# As TCP judges a segment lost (RFC 6298 §2): by what the others have taken, and how evenly. So a
# slow network, or a busy machine of ours, makes nobody look hung.
MEAN_SHARE = 1 / 8
VARIATION_SHARE = 1 / 4
VARIATIONS = 4
SHORTEST_SECONDS = 0.25
LONGEST_SECONDS = 1.0  # also while nothing is known


class Patience:
    """Learns from first words: those of servers that have answered."""

    def __init__(self) -> None:
        self._mean: float | None = None
        self._variation = 0.0

    def learn(self, seconds: float) -> None:
        """From the beginning of a session to the moment in which it could begin with MAIL."""
        if self._mean is None:
            self._mean, self._variation = seconds, seconds / 2
            return
        self._variation += VARIATION_SHARE * (abs(self._mean - seconds) - self._variation)
        self._mean += MEAN_SHARE * (seconds - self._mean)

    @property
    def seconds(self) -> float:
        if self._mean is None:
            return LONGEST_SECONDS
        expected = self._mean + VARIATIONS * self._variation
        return min(max(expected, SHORTEST_SECONDS), LONGEST_SECONDS)
