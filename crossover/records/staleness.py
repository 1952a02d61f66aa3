"""What kept keys and values change in a model's logits."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Staleness:
    """One generation's steps with a cache, each beside the same step without one, on the canvas that the cache wrote.

    Attributes:
        computed: positions of each row that the step computed; a step that computes all reads nothing kept.
        kl_nats: KL(without || with) over the vocabulary, in nats, the mean over the open positions of all rows.
        equal_share: share of the open positions whose most probable token, the mask left out, is the same.
    """

    computed: tuple[int, ...]
    kl_nats: tuple[float, ...]
    equal_share: tuple[float, ...]

    @property
    def mean_kl_nats(self) -> float | None:
        """The mean over the steps that read what was kept; None where none does."""
        return self._mean(self.kl_nats)

    @property
    def mean_equal_share(self) -> float | None:
        """See `mean_kl_nats`."""
        return self._mean(self.equal_share)

    def _mean(self, values: tuple[float, ...]) -> float | None:
        whole = max(self.computed, default=0)
        read = [value for value, computed in zip(values, self.computed, strict=True) if computed < whole]
        return sum(read) / len(read) if read else None
