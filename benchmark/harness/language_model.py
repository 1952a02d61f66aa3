"""The model `crossover` of lm-evaluation-harness. See docs/tasks.md.

What the harness asks for is answered in batches, by the decoder and the engine that `--model_args` describe, as by the
command line. Texts end at their stop strings or their end of sequence; decoding does not, so that equal requests cost
equal work.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import normalize_gen_kwargs
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from benchmark.execution.model_cache import MODEL_CACHE
from benchmark.execution.threads import set_threads
from benchmark.harness.arguments import arguments_of
from benchmark.harness.request_log import RequestLog
from benchmark.harness.scoring import PairRequest, causal_scores, diffusion_scores
from benchmark.harness.writing import TextRequest, Writer, room_for_prompt
from benchmark.models.tokens import backend, leading_ids, text_ids
from crossover.records.settings import Family

Pair = tuple[tuple[str, str], list[int], list[int]]
"""Context and continuation as texts and as tokens, as the harness hands them over."""


class CrossoverLM(TemplateLM):
    """Texts and likelihoods of one model. `given` is `--model_args`, `--batch_size` and `--device`."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 (the harness passes whatever was given)
        super().__init__()
        self.arguments = arguments_of(given)
        self.batch_size = self.arguments.config.batch
        run = self.arguments.run(
            rows=self.batch_size, prompt_tokens=1, output_tokens=max(1, self.arguments.config.steps)
        )
        set_threads(run)
        self._loaded = MODEL_CACHE.get(run)
        assert self._loaded.tokenizer is not None
        self.tokenizer = self._loaded.tokenizer
        self._device = self._loaded.model.device
        self._plain = backend(self.tokenizer)
        self._leading = leading_ids(self._plain)
        self._is_causal = run.model.family is Family.autoregressive
        self.log = RequestLog(folder=Path(self.arguments.config.output_dir) / "lm_eval", run=run)

    @property
    def max_length(self) -> int:
        """Tokens of the model's context."""
        return self._loaded.model.context

    @property
    def max_gen_toks(self) -> int:
        """Output tokens of a request that names none."""
        return self.arguments.max_gen_toks

    @property
    def eot_token_id(self) -> int:
        """The end of sequence."""
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """What a text without context follows: what leads every text, or the end of one before."""
        return self._leading[0] if self._leading else self.eot_token_id

    @property
    def tokenizer_name(self) -> str:
        """For the harness's cache of requests."""
        return str(self.tokenizer.name_or_path).replace("/", "__")

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:  # noqa: FBT001, FBT002 (the harness's signature)
        """A conversation as the checkpoint's template writes it."""
        return str(
            self.tokenizer.apply_chat_template(
                chat_history,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
            )
        )

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:  # noqa: ANN401, FBT001 (the same)
        """Tokens of a text, behind what leads every text unless it stands there already."""
        leading = self._leading if add_special_tokens is not False else []
        if leading and string.startswith(str(self.tokenizer.decode(leading))):
            leading = []
        return [*leading, *text_ids(self._plain, string)]

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:  # noqa: ARG002, FBT001, FBT002 (the same)
        """A text for each request, up to the first of its stop strings."""
        writer = Writer(self.arguments, self._loaded, self.batch_size)
        texts = [""] * len(requests)
        asked = [self._asked(index, request.args) for index, request in enumerate(requests)]
        for request, text, work in writer.write(asked):
            texts[request.index] = text
            self.log.note(requests[request.index], work)
            self.cache_hook.add_partial("generate_until", requests[request.index].args, text)
        return texts

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:  # noqa: ARG002, FBT001, FBT002 (the same)
        """The log likelihood of each whole text, in windows of the context."""
        windows: list[tuple[int, PairRequest]] = []
        for index, request in enumerate(requests):
            for context, continuation in map(
                make_disjoint_window,
                get_rolling_token_windows(
                    token_list=self.tok_encode(request.args[0], add_special_tokens=False),
                    prefix_token=self.prefix_token_id,
                    max_seq_len=self.max_length - 1,
                    context_len=1,
                ),
            ):
                pair = PairRequest(index=len(windows), context=tuple(context), continuation=tuple(continuation))
                windows.append((index, pair))
        logs = self._scores([pair for _, pair in windows], greedy=False)
        totals = [0.0] * len(requests)
        for (index, _), (log, _) in zip(windows, logs, strict=True):
            totals[index] += log
        for request, total in zip(requests, totals, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, total)
        return totals

    def _loglikelihood_tokens(self, requests: list[Pair], **more: Any) -> list[tuple[float, bool]]:  # noqa: ANN401, ARG002 (the same)
        """The log likelihood of each continuation, and whether greedy decoding writes it."""
        pairs = [self._pair(index, *request) for index, request in enumerate(requests)]
        answers = self._scores(pairs, greedy=True)
        for (texts, _, _), answer in zip(requests, answers, strict=True):
            self.cache_hook.add_partial("loglikelihood", texts, answer)
        return answers

    def _pair(self, index: int, texts: tuple[str, str], context: list[int], continuation: list[int]) -> PairRequest:
        """A request as tokens, of which the context keeps the last.

        Where the harness leaves no context, since it was white space alone, a text without context is meant; where it
        leaves no continuation, since a token covers that and the end of the context, the continuation stands alone.
        """
        scored = continuation or self.tok_encode(texts[1], add_special_tokens=False)
        known = (context or [self.prefix_token_id])[-(self.max_length - len(scored)) :]
        return PairRequest(index=index, context=tuple(known), continuation=tuple(scored))

    def _scores(self, pairs: Sequence[PairRequest], *, greedy: bool) -> list[tuple[float, bool]]:
        answers = [(0.0, False)] * len(pairs)
        scored = (
            causal_scores(self._loaded, pairs, self.batch_size)
            if self._is_causal
            else diffusion_scores(self.arguments, self._loaded, pairs, self.batch_size, greedy=greedy)
        )
        for pair, score in scored:
            answers[pair.index] = (score.log_likelihood, score.is_greedy)
            self.log.note_score(pair, score)
        return answers

    def _asked(self, index: int, args: tuple[str, dict[str, Any]]) -> TextRequest:
        """A request as tokens, of which the context keeps the last."""
        context, wanted = args
        settings: dict[str, Any] = normalize_gen_kwargs(wanted, self.max_gen_toks)
        output_tokens = int(settings["max_gen_toks"])
        tokens = self.tok_encode(context)[-room_for_prompt(self._loaded, output_tokens) :]
        return TextRequest(
            index=index,
            tokens=tuple(tokens or [self.prefix_token_id]),
            output_tokens=output_tokens,
            temperature=float(settings["temperature"]) if settings.get("do_sample") else None,
            until=tuple(each for each in settings["until"] if each),
        )
