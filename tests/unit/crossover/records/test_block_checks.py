"""What an order of blocks, and a model's attention, have no use for."""

from typing import Any

import pytest

from crossover.errors import UserError
from crossover.records.policies import QUOTA, Blocks
from tests.published.orders import SUB_BLOCK, THRESHOLD, settings_of


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sub_block_length": 3}, "sub_block_length=3 does not divide block_length=8: give a number that does"),
        ({"sub_block_length": 4, "cache": None}, "sub_block_length=4 begins blocks from kept keys and values"),
        ({"sub_block_length": 4, "blocks": Blocks.output, "cache": None}, "=4 is for block-causal models: leave it"),
        ({"cache": SUB_BLOCK}, "cache=sub_block needs sub-blocks: give sub_block_length"),
        ({"cache": SUB_BLOCK, "blocks": Blocks.output}, "cache=sub_block is for block-causal models"),
        ({"cache": SUB_BLOCK, "sub_block_length": 4, "policy": QUOTA}, "cache=sub_block is for policies that follow"),
        ({"causal_context": True, "cache": None}, "causal_context=true begins blocks from kept keys and values"),
        ({"causal_context": True, "sub_block_length": 4}, "causal_context=true has no sub-blocks"),
    ],
)
def test_what_an_order_cannot_have_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        settings_of(8, 2, **{"policy": THRESHOLD} | changes)
