// The surest share of every class: which of the open rows come first, without sorting them.
//
// Shapes: n = rows, C = classes.
#pragma once

#include <cstdint>

namespace cotrain {

// Verdicts as cotrain.rounds.selection.REASONS counts them.
struct Verdicts {
  std::int8_t open, disputed, admitted;
};

struct Quotas {
  std::int64_t n_rows, n_classes;
  const std::int64_t* codes;  // [n]; read where the verdict is open or disputed
  const double* margin;       // [n]
  const double* agreement;    // [n]
  std::int8_t* verdict;       // [n]; open rows within their class's quota become admitted
  Verdicts kind;
  double share;  // in (0, 1]
  double tie;    // sureness is told apart in steps of this much
};

// Sureness is margin times agreement, to the nearest step. Of each class's open and disputed rows the share, rounded
// up, is admitted: open rows, surest first, ties in table order. Memory is C * 8 KB, whatever n. Throws
// std::invalid_argument for a row that may be admitted and lacks a class, a margin or an agreement.
void admit_surest(const Quotas& quotas);

}  // namespace cotrain
