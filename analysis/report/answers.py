"""What the report answers: the verdict of fronts where there are any, else that at one temperature, a sentence each."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.parity.parity import Parity
from analysis.report.figures.panel import Panel
from analysis.report.study import FrontPanel, Study
from analysis.report.words.fronts import front_answer
from analysis.report.words.parity import answer, disagreements, remarks


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A sentence, the setting that tells it from others, and what qualifies it."""

    sentence: str
    setting: str
    remarks: tuple[str, ...]


def answers(study: Study) -> list[Answer]:
    """One for each comparison and metric."""
    return [
        *(_of_front(each) for each in study.fronts),
        *(
            Answer(sentence=answer(each.parity), setting=each.setting, remarks=remarks(each.parity))
            for each in _alone(study)
        ),
    ]


def disagreements_of(study: Study) -> list[str]:
    """Where the metrics of one comparison give other steps to parity."""
    return disagreements(parities(study))


def parities(study: Study) -> list[tuple[Parity, str]]:
    """Every parity that is answered, with its setting."""
    return [*_between_fronts(study), *((each.parity, each.setting) for each in _alone(study))]


def parity_rows(study: Study) -> list[tuple[Parity, str]]:
    """The rows of the parity table: those between fronts, then those at each temperature."""
    return [*_between_fronts(study), *((each.parity, each.setting) for each in study.every_panel)]


def _between_fronts(study: Study) -> list[tuple[Parity, str]]:
    return [(each.fronts.parity, each.setting) for each in study.fronts if each.fronts.parity is not None]


def _alone(study: Study) -> Sequence[Panel]:
    """Parities at one temperature that no fronts answer better."""
    return [panel for panel in study.every_panel if not panel.is_in_fronts]


def _of_front(panel: FrontPanel) -> Answer:
    parity = panel.fronts.parity
    return Answer(
        sentence=front_answer(panel.fronts),
        setting=panel.setting,
        remarks=() if parity is None else remarks(parity),
    )
