"""The final voice, and the guard that decides how far teaching may go.

Comes in: the members' opinions, held-out ones with labels to earn trust, later ones to be combined.
Goes out: one calibrated probability per row and class; the round to ship and the evidence for it; rows to ask
a person about.
Stands beside `rounds`: knows opinions, not how they came about.
May be imported by: estimators and everything above.
"""

from cotrain.ensemble.asking import Doubt, ask, doubt
from cotrain.ensemble.guard import Evidence, RoundScore, judge
from cotrain.ensemble.voice import Voice, held_out_voice

__all__ = ["Doubt", "Evidence", "RoundScore", "Voice", "ask", "doubt", "held_out_voice", "judge"]
