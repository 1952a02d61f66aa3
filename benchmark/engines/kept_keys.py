"""Keys and values of a canvas that are kept, as a cache of transformers' modules.

Its layers hand every position's keys and values to attention: those of the window that is being computed fresh, in
their places among the others, which stay as an earlier pass left them.

Dimensions: B rows, G key heads, L positions of the canvas, W of the window, d of a head.
"""

from torch import Tensor
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin


class KeptKeys(Cache):
    """Of all layers. `window` are the positions that the next pass computes, the whole canvas at first."""

    def __init__(self, layers: int, length: int) -> None:
        self.window = range(length)
        self.length = length
        super().__init__(layers=[_Layer(self) for _ in range(layers)])


class _Layer(CacheLayerMixin):
    """Of one layer."""

    is_sliding = False

    def __init__(self, kept: KeptKeys) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # transformers is typed in part
        self._kept = kept

    def update(self, key_states: Tensor, value_states: Tensor, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        """Put the window's among the others, [B, G, L, d]; a whole canvas takes the place of all."""
        window = self._kept.window
        if len(window) == self._kept.length:
            self.keys, self.values = key_states, value_states
            return key_states, value_states
        if self.keys is None or self.values is None:
            shape = (*key_states.shape[:2], self._kept.length, key_states.shape[-1])
            self.keys, self.values = key_states.new_zeros(shape), value_states.new_zeros(shape)
        self.keys[:, :, window.start : window.stop] = key_states
        self.values[:, :, window.start : window.stop] = value_states
        return self.keys, self.values

    def get_mask_sizes(self, query_length: int | Tensor) -> tuple[int, int]:
        """Keys that queries attend to, and the first of them: all, whatever the window."""
        del query_length
        return self._kept.length, 0

    def get_seq_length(self) -> int:
        """Positions before the window, for who counts positions from there."""
        return self._kept.window.start

    def lazy_initialization(self, *_: Tensor) -> None:
        """Nothing: the first pass over the whole canvas brings its own memory."""

    def get_max_length(self) -> int:
        """The canvas's length."""
        return self._kept.length

    get_max_cache_shape = get_max_length
