"""Names of files are read as they were typed, whatever characters they have."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from benchmark.config.convert import config_of, of_folder
from benchmark.config.quoting import in_quotes, quoted

NAMES = ["größe 日本", "a=b's", 'say "hi"', "a(1)b&c;d#e!f/~y", "50%\\", "a\\'b{c}"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_read_as_it_is(name: str) -> None:
    typed = [f"output_dir={name}", f"prompts.source={name}", f"judge.checkpoint={in_quotes(name)}"]
    config = config_of(typed)
    assert (config.output_dir, config.prompts.source, config.judge.checkpoint) == (name, name, name)
    assert config_of([of_folder(Path("/") / name)]).output_dir == f"/{name}"


def test_values_of_a_sweep_stay_apart() -> None:
    assert quoted("model.checkpoint=größe,plain,a=b") == "model.checkpoint='größe',plain,'a=b'"
    (override,) = OverridesParser.create().parse_overrides([quoted("model.checkpoint=größe,it's")])
    assert [str(value) for value in override.sweep_string_iterator()] == ["'größe'", "'it\\'s'"]


@pytest.mark.parametrize(
    "override",
    [
        "steps=4=",
        "model=größe",
        "output_dir='a b=c'",
        "output_dir=${hydra.job.name}=",
        "model.checkpoint=glob(ü*)",
        "zzz=ü",
    ],
)
def test_what_is_meant_for_hydra_or_is_no_text_stays_as_it_is(override: str) -> None:
    assert quoted(override) == override
