"""How a run teaches: how many rounds, how much of the table, how loud pseudo-labels are.

The shares start high on purpose. Teaching only the surest rows, as most self-training does, draws a class's boundary
where its easy rows end, and tables whose classes shade into each other get worse with every round. What is doubtful is
held down by its weight instead: it is taught, but softly.
"""

from dataclasses import dataclass

from cotrain.errors import SettingError


@dataclass(frozen=True)
class TeachingPlan:
    """Settings of the exchange.

    Parameters
    ----------
    rounds : how often members teach one another; 0 = plain supervised training
    first_share, last_share : share of each class's unlabelled rows that is taught in the first and in the last round;
        it grows in even steps. Rows are taken surest first.
    pseudo_mass : all pseudo-labels of a lesson weigh together this many times the given labels, at most; keeps many
        guesses from drowning few facts
    least_agreement : share of the teachers' weight that must vote for a label
    soft_labels : teach the teachers' probabilities instead of their first choice; trees then take several times as
        long to learn, for no fewer errors on the tables tried
    voices : how many independent voices the pooled teachers are worth (see predictions.pool)
    patience : stop after this many rounds without a lower held-out loss
    """

    rounds: int = 3
    first_share: float = 0.8
    last_share: float = 1.0
    pseudo_mass: float = 1.0
    least_agreement: float = 0.0
    soft_labels: bool = False
    voices: float = 3.0
    patience: int = 4

    def __post_init__(self) -> None:
        if self.rounds < 0:
            raise SettingError("rounds", self.rounds, "0 or more", hint="0 trains without any teaching.")
        for name in ("first_share", "last_share"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise SettingError(
                    name, getattr(self, name), "a share above 0 and at most 1", hint="For 50 % write 0.5."
                )
        if self.pseudo_mass <= 0:
            raise SettingError("pseudo_mass", self.pseudo_mass, "above 0", hint="To teach nothing set rounds to 0.")
        if not 0.0 <= self.least_agreement <= 1.0:
            raise SettingError("least_agreement", self.least_agreement, "a share between 0 and 1")
        if self.voices <= 0:
            raise SettingError("voices", self.voices, "above 0")
        if self.patience < 1:
            raise SettingError("patience", self.patience, "at least 1")

    def share(self, round: int) -> float:
        """Share of each class's rows that round 1 .. rounds may teach."""
        if self.rounds <= 1:
            return self.last_share
        return self.first_share + (self.last_share - self.first_share) * (round - 1) / (self.rounds - 1)
