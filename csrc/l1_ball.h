// Which features an l1 step moves, and what brings a row back into the l1 ball: two searches that look at the row only
// through its sums. Shared by host and device code; how a row is summed is theirs.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "perturbation_formulas.h"

#if defined(__CUDACC__)
#define COTRAIN_ANY_ROW _Pragma("nv_exec_check_disable")  // rows of the device have functions of the device
#else
#define COTRAIN_ANY_ROW
#endif

namespace cotrain {

template <typename T>
struct BitsOf;
template <>
struct BitsOf<float> {
  using Int = std::int32_t;
};
template <>
struct BitsOf<double> {
  using Int = std::int64_t;
};

template <typename T>
COTRAIN_HD T number_of(typename BitsOf<T>::Int bits) {
  T number;
  std::memcpy(&number, &bits, sizeof(T));
  return number;
}

// The `wanted`-th largest of a row's pulls, which are >= 0, or the smallest that is above 0 where there are fewer.
// `count` says how many reach it: more than wanted where pulls are equal.
//
// Bisects the bits of the numbers >= 0, which are in the order of the numbers, so it is exact; stops early at a
// threshold that the same features reach. row.count_at_least(threshold) gives a number of features.
COTRAIN_ANY_ROW
template <typename T, typename Row>
COTRAIN_HD T threshold_of_top(const Row& row, std::int64_t wanted, std::int64_t& count) {
  using Int = typename BitsOf<T>::Int;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  Int reached = 1, missed;
  std::memcpy(&missed, &infinity, sizeof(T));
  ++missed;  // an infinite pull is the largest, and one more is none
  count = row.count_at_least(number_of<T>(reached));
  while (count > wanted && missed - reached > 1) {
    const Int middle = reached + (missed - reached) / 2;
    const std::int64_t at_middle = row.count_at_least(number_of<T>(middle));
    if (at_middle >= wanted) {
      reached = middle;
      count = at_middle;
    } else {
      missed = middle;
    }
  }
  return number_of<T>(reached);
}

// By how much the sizes of a row's offsets must shrink for their sum to be epsilon; -1 inside the ball.
//
// Newton's method on the sum of what exceeds the shrinkage, which is convex and piecewise linear (Michelot 1986): exact
// once the same features exceed it as before, after a handful of rounds. Fewer exceed it in every round, so it ends.
// row.sum_above(border, count) gives the sum and the number of the sizes above the border.
COTRAIN_ANY_ROW
template <typename T, typename Row>
COTRAIN_HD T shrinkage_into_l1_ball(const Row& row, double epsilon) {
  double count = 0;
  double sum = row.sum_above(T(0), count);
  if (sum <= epsilon) return T(-1);
  T border = T(0);
  for (double before = count + 1; count > 0 && count < before;) {
    before = count;
    border = static_cast<T>((sum - epsilon) / count);
    sum = row.sum_above(border, count);
  }
  return border;
}

}  // namespace cotrain
