"""What is postponed costs a measurement no time, and is there for whoever asks for it later."""

import subprocess
import sys

import pytest

from tests.paths import ROOT

WITHIN = """
import sys
from benchmark.util.postponed import postponed
with postponed():
    from benchmark.models import modules
print("scipy.optimize" in sys.modules, "transformers.models.bert" in sys.modules)
"""
FIRST_USES = """
from transformers.loss.loss_for_object_detection import linear_sum_assignment
print(linear_sum_assignment([[1, 0], [0, 1]])[1].tolist())
from transformers import BertConfig, Qwen2Tokenizer
from transformers.models.auto.configuration_auto import AutoConfig
import transformers.models
print(type(AutoConfig.for_model("bert")) is BertConfig)
print(transformers.models.llama.LlamaForCausalLM is modules.LlamaForCausalLM)
from scipy.optimize import OptimizeResult
print(isinstance(OptimizeResult, type))
"""
AFTER_ALL = """
import scipy.optimize, transformers.models
from benchmark.util.postponed import postponed
before = scipy.optimize, transformers.models
with postponed():
    import scipy.optimize, transformers.models
    print((scipy.optimize, transformers.models) == before)
"""


def said(script: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split("\n")[:-1]


@pytest.mark.process
def test_models_are_imported_without_what_they_do_not_use_which_its_first_use_imports() -> None:
    assert said(WITHIN + FIRST_USES) == ["False False", "[1, 0]", "True", "True", "True"]


@pytest.mark.process
def test_what_is_imported_already_stays_as_it_is() -> None:
    assert said(AFTER_ALL) == ["True"]
