// The softmax of a tile. Compiled once per namespace by for_each_isa.h.
//
// A tile is [k, lanes] numbers. Where classes are few, or positions lie side by side, a tile holds class k of `lanes`
// positions: a row of 5 classes cannot fill a vector. Else it is the classes of ONE position (`is_row`), `lanes` at a
// time, and what the lanes found is folded into one. Empty places hold -inf.

constexpr int lanes = 32;  // two AVX-512 or four AVX2 vectors of float: enough to hide the latency of their arithmetic

// The largest over the lanes, in all of them. Starts from the first, so that a NaN there stays.
template <typename Sum>
COTRAIN_INLINE void fold_largest(Sum* values) {
  Sum largest = values[0];
  for (int lane = 1; lane < lanes; ++lane) largest = values[lane] > largest ? values[lane] : largest;
  for (int lane = 0; lane < lanes; ++lane) values[lane] = largest;
}

// The sum over the lanes, in all of them: halves onto halves, the same order everywhere.
template <typename Sum>
COTRAIN_INLINE void fold_sum(Sum* values) {
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int lane = 0; lane < width; ++lane) values[lane] += values[lane + width];
  for (int lane = 1; lane < lanes; ++lane) values[lane] = values[0];
}

enum class Dot { none, with_target, with_itself };

template <bool is_row, typename Sum>
void largest_of(const Sum* tile, std::int64_t n_rows, Sum* largest) {
  for (int lane = 0; lane < lanes; ++lane) largest[lane] = tile[lane];
  for (std::int64_t k = 1; k < n_rows; ++k)
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const Sum value = tile[k * lanes + lane];
      largest[lane] = value > largest[lane] ? value : largest[lane];
    }
  if (is_row) fold_largest(largest);
}

// What the memory is asked for while the arithmetic goes on, in the tile's order; null = nothing. Without it a row's
// loads, its exponentials and its stores would wait for one another.
template <typename Raw>
struct Ahead {
  const Raw* to_read = nullptr;
  const Raw* to_write = nullptr;

  COTRAIN_INLINE void ask(std::int64_t at) const {
    constexpr std::int64_t line = 64 / sizeof(Raw);
    for (std::int64_t i = 0; i < lanes; i += line) {
      if (to_read != nullptr) __builtin_prefetch(to_read + at + i, 0);
      if (to_write != nullptr) __builtin_prefetch(to_write + at + i, 1);
    }
  }
};

// Turns logits into exp(z), z = (logit - largest) / temperature, in place. Where nothing `is_tempered` that is 1.
//
// rest : [lanes] sum of the exponentials without one of the largest
// dot : [lanes] sum of -q * z, where q is `target`, or exp(z) itself
template <bool is_row, Dot with, bool is_tempered, typename Raw, typename Sum>
void softmax_tile(const Ahead<Raw>& ahead, Sum* tile, const Sum* target, std::int64_t n_rows, const Sum* largest, Sum inverse_temperature,
                  Sum* rest, Sum* dot) {
  Sum ties[lanes];
  for (int lane = 0; lane < lanes; ++lane) {
    rest[lane] = ties[lane] = Sum(0);
    if (with != Dot::none) dot[lane] = Sum(0);
  }
  for (std::int64_t k = 0; k < n_rows; ++k) {
    if (is_row) ahead.ask(k * lanes);
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const Sum below = tile[k * lanes + lane] - largest[lane];
      const Sum z = is_tempered ? below * inverse_temperature : below;
      const Sum exponential = exp_of(z);
      tile[k * lanes + lane] = exponential;
      rest[lane] += exponential == Sum(1) ? Sum(0) : exponential;
      ties[lane] += exponential == Sum(1) ? Sum(1) : Sum(0);
      if (with == Dot::with_target) dot[lane] += shortfall_term(target[k * lanes + lane], z);
      if (with == Dot::with_itself) dot[lane] += shortfall_term(exponential, z);
    }
  }
  if (is_row) {
    fold_sum(rest);
    fold_sum(ties);
    if (with != Dot::none) fold_sum(dot);
  }
  for (int lane = 0; lane < lanes; ++lane) rest[lane] += ties[lane] - Sum(1);
}

// log(1 + u) for u >= 0, also where u is small: the second term is what 1 + u rounded away, over 1 + u. Without dividing:
// near 1 one over s is 2 - s, and where s is larger what was rounded away is less than the logarithm's own rounding.
template <typename T>
COTRAIN_INLINE T log1p_of(T u) {
  const T s = T(1) + u;
  const T lost = u - (s - T(1));
  return log_of(s) + (s < T(1.5) ? lost * (T(2) - s) : T(0));
}
