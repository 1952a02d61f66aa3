"""Search for parity: measure the baselines, then only the rungs of each ladder that are in question.

A rung reaches the baseline where the analysis shows that it does, and never by an estimate alone. The search looks for
the lowest rung that is shown to reach; it takes a rung of which nothing is shown for one that does not.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import itemgetter

from analysis.parity.comparability import group
from analysis.parity.evidence import UnscoredError, comparable
from analysis.parity.quality import METRICS, Metric
from analysis.parity.steps_to_parity import check_margin, find_parity
from analysis.report.words.numbers import inside
from analysis.statistics.intervals import Interval
from benchmark.dispatch.ledger import GridPoint
from benchmark.sweep.bisection import Finding, conclude_search, next_rung
from benchmark.sweep.driver import HandOut, SlotsOf, SweepDriver, no_slots
from benchmark.sweep.prepare import Compose, Grid, prepare
from crossover.errors import UserError
from crossover.records.record import Record
from crossover.records.run import Run
from crossover.records.settings import Diffusion


@dataclass(frozen=True, kw_only=True)
class Goal:
    """The parity that a search looks for: a metric of `analysis.parity.quality` and the margin."""

    metric: Metric
    margin: float


class RungVerdict(StrEnum):
    """What is shown of a rung against its baseline."""

    reaches = "reaches"
    short = "falls short"
    undecided = "not decided"


Verdicts = Mapping[str, RungVerdict]
"""By the key of a diffusion run that has a comparable baseline."""


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """The points of one diffusion model that differ in steps alone, by their steps, ascending.

    Under a policy that follows the text they differ in its knob alone, and are numbered in the order of the forward
    passes that they take: as the threshold rises, as the factor or gamma falls.
    """

    rungs: Mapping[int, GridPoint]

    @property
    def title(self) -> str:
        """The model with its batch and length."""
        run = next(iter(self.rungs.values())).run
        return f"{run.model.label} B={run.batch} N={run.length}"

    def name(self, rung: int) -> str:
        """A rung in words: `K=32`, or `threshold=0.9`."""
        policy = _diffusion(self.rungs[rung]).policy
        return f"K={rung}" if policy.has_steps else policy.label

    def verdicts(self, by_key: Verdicts) -> dict[int, RungVerdict]:
        """What is shown of each compared rung, by its steps."""
        keys = {steps: point.key for steps, point in self.rungs.items()}
        return {steps: by_key[key] for steps, key in keys.items() if key in by_key}


def search_parity(
    grid: Grid, *, compose: Compose, hand_out: HandOut, metric: str, margin: float, slots_of: SlotsOf = no_slots
) -> None:
    """Find the fewest steps of parity for each diffusion model, B and N of a grid with its baselines.

    Raises:
        UserError: when a point or the metric is not allowed, or there is nothing to compare.
        SystemExit: with the sweep's exit code, unless it is 0.
    """
    if metric not in METRICS:
        raise UserError(f"hydra.sweeper.metric={metric} is not known: choose one of {', '.join(METRICS)}")
    check_margin(margin)
    goal = Goal(metric=METRICS[metric], margin=margin)
    driver = prepare(grid, compose=compose, hand_out=hand_out, slots_of=slots_of, search=True)
    if driver is None:
        return
    search = Search(driver=driver, ladders=find_ladders(driver.plan.dispatched), goal=goal)
    interrupted = False
    try:
        search.run()
    except KeyboardInterrupt:
        interrupted = True
    search.say_findings()
    driver.finish([*search.known(), *driver.plan.infeasible], interrupted=interrupted)


def find_ladders(points: Sequence[GridPoint]) -> list[Ladder]:
    """The ladders that the diffusion points of a grid make.

    Raises:
        UserError: when the grid lacks diffusion points or baselines.
    """
    if not any(point.run.diffusion for point in points) or all(point.run.diffusion for point in points):
        raise UserError("a search for parity needs both arms: give model=BASELINE,DIFFUSION and steps=K,K,...")
    ladders: dict[str, list[GridPoint]] = {}
    for point in points:
        if point.run.diffusion is not None and not point.replicate:
            ladders.setdefault(_what_rungs_share(point.run, point.run.diffusion), []).append(point)
    return [Ladder(rungs=_rungs(points)) for points in ladders.values()]


def _what_rungs_share(run: Run, diffusion: Diffusion) -> str:
    """The key of a run that has one number of steps, and one setting of its policy's knob, whatever its own are."""
    return replace(run, diffusion=replace(diffusion, steps=1, policy=diffusion.policy.turned(0.5))).key


def _rungs(points: Sequence[GridPoint]) -> dict[int, GridPoint]:
    """By steps; by their order where a policy follows the text, those first that take the fewest forward passes."""
    if _diffusion(points[0]).policy.knob is None:
        return dict(sorted(((_diffusion(point).steps, point) for point in points), key=itemgetter(0)))
    ordered = sorted(points, key=lambda point: _diffusion(point).policy.care)
    return dict(enumerate(ordered, start=1))


def _diffusion(point: GridPoint) -> Diffusion:
    assert point.run.diffusion is not None, "ladders hold diffusion points"
    return point.run.diffusion


class Search:
    """A bisection of every ladder of a sweep, a round of jobs at a time."""

    def __init__(self, *, driver: SweepDriver, ladders: list[Ladder], goal: Goal) -> None:
        self._driver = driver
        self._ladders = ladders
        self._goal = goal
        self.launched: list[GridPoint] = []

    def run(self) -> None:
        """Launch the baselines and the first rung of each ladder, then the rungs in question, round by round.

        Raises:
            KeyboardInterrupt: when the person at the keyboard stopped it.
        """
        baselines = {point.key for point in self._driver.plan.dispatched if point.run.diffusion is None}
        wanted = self._points(baselines | self._in_question())
        while wanted:
            went_through = self._driver.launch(wanted)
            self.launched += wanted
            wanted = self._points(self._in_question()) if went_through else []

    def known(self) -> list[GridPoint]:
        """The points behind the answer: those launched, and those that had their records before."""
        records = self._driver.outcomes(self._driver.plan.points)
        points = self._driver.plan.dispatched
        return [point for point in points if point in self.launched or point.replicate_key in records]

    def say_findings(self) -> None:
        """Print a line for each ladder, and how much of the grid the search ran."""
        records = self._driver.outcomes(self._driver.plan.points)
        verdicts = reached(records.values(), self._goal)
        for ladder in self._ladders:
            shown = ladder.verdicts(verdicts)
            finding = conclude_search(tuple(ladder.rungs), reaching(shown))
            self._driver.context.say(
                f"{ladder.title}: {in_words(finding, shown, inside(self._goal.metric.label), ladder.name)}"
            )
        whole = len(self._driver.plan.dispatched)
        self._driver.context.say(f"{len(self.launched)} runs instead of the {whole} of the whole grid")

    def _points(self, keys: set[str]) -> list[GridPoint]:
        """The points of these runs, each with all its replicates, in the order of the plan."""
        return [point for point in self._driver.plan.dispatched if point.key in keys]

    def _in_question(self) -> set[str]:
        """The keys of the runs to measure next."""
        records = self._driver.outcomes(self._driver.plan.points) if self.launched else {}
        verdicts = reached(records.values(), self._goal)
        points = (self._next(ladder, records, verdicts) for ladder in self._ladders)
        return {point.key for point in points if point is not None}

    def _next(self, ladder: Ladder, records: Mapping[str, Record], verdicts: Verdicts) -> GridPoint | None:
        """The ladder's next point. One that failed is passed over; without a comparable baseline there is none."""
        tried = {steps for steps, point in ladder.rungs.items() if point in self.launched}
        compared = ladder.verdicts(verdicts)
        measured = {steps for steps in tried if _is_measured(records.get(ladder.rungs[steps].replicate_key))}
        if measured - compared.keys():
            return None
        steps = next_rung([steps for steps in ladder.rungs if steps not in tried - measured], reaching(compared))
        return None if steps is None else ladder.rungs[steps]


def _is_measured(record: Record | None) -> bool:
    return record is not None and record.measurement is not None


def reached(records: Iterable[Record], goal: Goal) -> dict[str, RungVerdict]:
    """What the analysis shows of each diffusion record that has a comparable baseline, by the run's key."""
    verdicts: dict[str, RungVerdict] = {}
    for pairing in (comparable(each, goal.metric)[0] for each in group(tuple(records)).pairings):
        if not pairing.by_steps:
            continue
        try:
            parity = find_parity(pairing, goal.metric, margin=goal.margin)
        except UnscoredError:  # too few prompts in common to compare the arms
            continue
        from_steps = parity.first_steps_interval[1]
        for steps, advantage in zip(parity.steps, parity.advantage, strict=True):
            verdicts[pairing.by_steps[steps].key] = _verdict(steps, advantage, from_steps)
    return verdicts


def _verdict(steps: int, advantage: Interval, from_steps: int | None) -> RungVerdict:
    """By the interval of the rung's advantage, and the K that is shown to reach the baseline."""
    if advantage.high < 0:
        return RungVerdict.short
    return RungVerdict.undecided if from_steps is None or steps < from_steps else RungVerdict.reaches


def reaching(verdicts: Mapping[int, RungVerdict]) -> dict[int, bool]:
    """Whether each rung is shown to reach its baseline."""
    return {steps: verdict is RungVerdict.reaches for steps, verdict in verdicts.items()}


def in_words(
    finding: Finding, verdicts: Mapping[int, RungVerdict], metric: str, name: Callable[[int], str] = "K={}".format
) -> str:
    """The answer of a search in words, with what is shown of each measured rung."""
    if not finding.tried:
        return f"nothing could be compared by {metric}"
    tried = ", ".join(f"{name(steps)} {verdicts[steps]}" for steps, _ in finding.tried)
    highest = finding.tried[-1][0]
    if finding.steps is not None:
        answer = f"parity is shown from {name(finding.steps)}"
    elif RungVerdict.undecided in verdicts.values():
        answer = f"parity is not decided up to {name(highest)}"
    else:
        answer = f"parity is not reached up to {name(highest)}"
    skipped = (
        f"; not measured: {', '.join(name(steps).removeprefix('K=') for steps in finding.skipped)}"
        if finding.skipped
        else ""
    )
    doubt = "; the measured rungs contradict each other, run the whole grid" if finding.contradiction else ""
    return f"{answer} by {metric} ({tried}{skipped}{doubt})"
