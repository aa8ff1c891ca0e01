"""One exchange of pseudo-labels after another: who teaches whom, what is admitted, what is kept in the ledger.

Comes in: members (a learner bound to views), blocks, targets, and how far each member is trusted.
Goes out: fitted students after every round, their opinions, and the ledger.
Peers teach, never oneself; every round is drawn anew from what the members think now.
May be imported by: estimators and everything above. Knows no ensemble.
"""

from cotrain.rounds.exchange import Lesson, exchange
from cotrain.rounds.ledger import Ledger
from cotrain.rounds.member import Graduate, Member, Opinions, Student, head_start
from cotrain.rounds.plan import TeachingPlan
from cotrain.rounds.school import School
from cotrain.rounds.selection import Admission, admit
from cotrain.rounds.stopping import stop_reason

__all__ = [
    "Admission",
    "Graduate",
    "Ledger",
    "Lesson",
    "Member",
    "Opinions",
    "School",
    "Student",
    "TeachingPlan",
    "admit",
    "exchange",
    "head_start",
    "stop_reason",
]
