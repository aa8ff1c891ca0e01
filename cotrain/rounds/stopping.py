"""When to stop teaching, and what to call it.

Shapes: r = rounds held out so far, round 0 (no teaching) included.
"""

from collections.abc import Sequence

REASONS = {
    "all_rounds": "every round that was asked for has been held",
    "no_gain": "the held-out loss has not fallen for as many rounds as patience allows",
    "nothing_to_teach": "no unlabelled row was admitted for any student",
    "nothing_kept": "every student did better on held-out labels without its lesson",
    "no_unlabelled": "every training row carries all its labels",
    "one_member": "a single member has no peer to be taught by",
    "rounds_is_0": "no round of teaching was asked for",
}
"""Every stop reason in words."""


def stop_reason(losses: Sequence[float], rounds: int, patience: int) -> str | None:
    """Why to stop after the round whose loss came last; None to go on.

    Parameters
    ----------
    losses : [r] held-out loss after rounds 0, 1, ...; NaN where it could not be measured (then it stops nothing)
    rounds : how many rounds the plan allows
    patience : rounds without a new lowest loss that are borne
    """
    held = len(losses) - 1
    if held >= rounds:
        return "all_rounds"
    best = min(range(len(losses)), key=lambda round: (losses[round], round)) if losses[0] == losses[0] else held
    if held - best >= patience:
        return "no_gain"
    return None
