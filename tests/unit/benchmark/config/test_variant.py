import pytest

from benchmark.config.folder import options
from benchmark.config.variant import variant_of


@pytest.mark.parametrize(
    ("name", "checkpoint", "revision", "variant"),
    [
        ("tiny_llada", "builtin:tiny_llada", None, None),
        ("llada", "GSAI-ML/LLaDA-8B-Base", None, None),
        ("llada", "GSAI-ML/LLaDA-8B-Base", "main", "LLaDA-8B-Base@main"),
        ("tiny_llada", "/home/user/tuned", None, "tuned"),
        ("tiny_llada", "tuned/", None, "tuned"),
        ("tiny_llada", "builtin:tiny_llama", None, "builtin:tiny_llama"),
        ("not_in_conf", "/home/user/tuned", None, None),
        ("_llada_8b", "/home/user/tuned", None, None),
    ],
)
def test_a_checkpoint_is_named_where_it_is_not_the_usual_one(
    name: str, checkpoint: str, revision: str | None, variant: str | None
) -> None:
    assert variant_of(name, checkpoint, revision) == variant


def test_every_model_has_a_usual_checkpoint() -> None:
    assert all(variant_of(name, "elsewhere/x", None) == "x" for name in options()["model"])
