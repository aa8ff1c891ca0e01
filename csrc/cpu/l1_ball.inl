// Which features an l1 step moves, and what brings a row back into the l1 ball. No guard: once per namespace.

#include "cpu/simd_math.inl"

// In blocks, so that the count within one fits the lanes of the loop's own type.
template <typename Sum>
std::int64_t count_at_least(const Sum* pulls, std::int64_t n, Sum threshold) {
  constexpr std::int64_t block = 1 << 20;
  std::int64_t total = 0;
  for (std::int64_t first = 0; first < n; first += block) {
    const std::int64_t last = n - first < block ? n : first + block;
    typename Bits<Sum>::Int count = 0;
#pragma omp simd reduction(+ : count)
    for (std::int64_t j = first; j < last; ++j) count += pulls[j] >= threshold ? 1 : 0;
    total += count;
  }
  return total;
}

// The `wanted`-th largest of `pulls` [n], which are >= 0, or the smallest that is above 0 where there are fewer.
// Bisects the bits of numbers >= 0, which are in the order of the numbers, so it is exact. `count` says how many reach
// it: more than wanted where pulls are equal. Stops early at a threshold that the same features reach.
template <typename Sum>
Sum threshold_of_top(const Sum* pulls, std::int64_t n, std::int64_t wanted, std::int64_t& count) {
  using Int = typename Bits<Sum>::Int;
  Sum largest = 0;
#pragma omp simd reduction(max : largest)
  for (std::int64_t j = 0; j < n; ++j) largest = pulls[j] > largest ? pulls[j] : largest;
  Int reached = 1, missed = bits_as<Int>(largest) + 1;
  count = count_at_least(pulls, n, bits_as<Sum>(reached));
  while (count > wanted && missed - reached > 1) {
    const Int middle = reached + (missed - reached) / 2;
    const std::int64_t at_middle = count_at_least(pulls, n, bits_as<Sum>(middle));
    if (at_middle >= wanted) {
      reached = middle;
      count = at_middle;
    } else {
      missed = middle;
    }
  }
  return bits_as<Sum>(reached);
}

// By how much the sizes [n] of a row's offsets must shrink for their sum to be epsilon; -1 inside the ball.
//
// Newton's method on the sum of what exceeds the shrinkage, which is convex and piecewise linear (Michelot 1986): exact
// once the same features exceed it as before, after a handful of rounds. Fewer exceed it in every round, so it ends.
template <typename Sum>
Sum shrinkage_into_l1_ball(const Sum* sizes, std::int64_t n, double epsilon) {
  double shrinkage = 0;
  for (std::int64_t before = n + 1;;) {
    const Sum border = static_cast<Sum>(shrinkage);
    double sum = 0, count = 0;
#pragma omp simd reduction(+ : sum, count)
    for (std::int64_t j = 0; j < n; ++j) {
      sum += sizes[j] > border ? static_cast<double>(sizes[j]) : 0.0;
      count += sizes[j] > border ? 1.0 : 0.0;
    }
    if (shrinkage == 0 && sum <= epsilon) return Sum(-1);
    const auto exceed = static_cast<std::int64_t>(count);
    if (exceed == 0 || exceed >= before) return border;
    before = exceed;
    shrinkage = (sum - epsilon) / count;
  }
}
