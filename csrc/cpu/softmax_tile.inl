// The softmax of a tile. Compiled once per namespace by for_each_isa.h.
//
// A tile is [k, lanes] numbers. Where classes are few, or positions lie side by side, a tile holds class k of `lanes`
// positions: a row of 5 classes cannot fill a vector. Else it is the classes of ONE position (`is_row`), `lanes` at a
// time, and what the lanes found is folded into one. Empty places hold -inf.

constexpr int lanes = 32;  // two AVX-512 or four AVX2 vectors of float: enough to hide the latency of their arithmetic

// How many positions a tile holds.
template <bool is_row>
constexpr int width = is_row ? 1 : lanes;

// The largest over the lanes. Halves onto halves, the values are used up. (A NaN may be passed over: its own exponential
// is NaN, and so is the sum.)
template <typename Sum>
COTRAIN_INLINE Sum largest_over(Sum* values) {
#pragma GCC unroll 8
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane)
      values[lane] = values[lane + half] > values[lane] ? values[lane + half] : values[lane];
  return values[0];
}

// The sum over the lanes in the same way, so in one order everywhere.
template <typename Sum>
COTRAIN_INLINE Sum sum_over(Sum* values) {
#pragma GCC unroll 8
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) values[lane] += values[lane + half];
  return values[0];
}

enum class Dot { none, with_target, with_itself };

// One of what each position has, for every lane.
template <bool is_row, typename Sum>
COTRAIN_INLINE void spread(const Sum* from, Sum* to) {
  for (int lane = 0; lane < lanes; ++lane) to[lane] = from[is_row ? 0 : lane];
}

// largest : [width]
template <bool is_row, typename Sum>
void largest_of(const Sum* tile, std::int64_t n_rows, Sum* largest) {
  Sum found[lanes];  // nothing else points at it, so it stays in registers
  for (int lane = 0; lane < lanes; ++lane) found[lane] = tile[lane];
  for (std::int64_t k = 1; k < n_rows; ++k)
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const Sum value = tile[k * lanes + lane];
      found[lane] = value > found[lane] ? value : found[lane];
    }
  if (is_row) found[0] = largest_over(found);
  for (int lane = 0; lane < width<is_row>; ++lane) largest[lane] = found[lane];
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
// largest : [width]
// rest : [width] sum of the exponentials without one of the largest
// dot : [width] sum of -q * z, where q is `target`, or exp(z) itself
template <bool is_row, Dot with, bool is_tempered, typename Raw, typename Sum>
void softmax_tile(const Ahead<Raw>& ahead, Sum* tile, const Sum* target, std::int64_t n_rows, const Sum* largest,
                  Sum inverse_temperature, Sum* rest, Sum* dot) {
  Sum top[lanes], smaller[lanes], ties[lanes], products[lanes];  // of no one else, so they stay in registers
  spread<is_row>(largest, top);
  for (int lane = 0; lane < lanes; ++lane) smaller[lane] = ties[lane] = products[lane] = Sum(0);
  for (std::int64_t k = 0; k < n_rows; ++k) {
    if (is_row) ahead.ask(k * lanes);
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const Sum below = tile[k * lanes + lane] - top[lane];
      const Sum z = is_tempered ? below * inverse_temperature : below;
      const Sum exponential = exp_of(z);
      tile[k * lanes + lane] = exponential;
      smaller[lane] += exponential == Sum(1) ? Sum(0) : exponential;
      ties[lane] += exponential == Sum(1) ? Sum(1) : Sum(0);
      if (with == Dot::with_target) products[lane] += shortfall_term(target[k * lanes + lane], z);
      if (with == Dot::with_itself) products[lane] += shortfall_term(exponential, z);
    }
  }
  if (is_row) {
    smaller[0] = sum_over(smaller);
    ties[0] = sum_over(ties);
    if (with != Dot::none) products[0] = sum_over(products);
  }
  for (int lane = 0; lane < width<is_row>; ++lane) {
    rest[lane] = smaller[lane] + (ties[lane] - Sum(1));
    if (with != Dot::none) dot[lane] = products[lane];
  }
}

// log(1 + u) for u >= 0, also where u is small: the second term is what 1 + u rounded away, over 1 + u. Without dividing:
// near 1 one over s is 2 - s, and where s is larger what was rounded away is less than the logarithm's own rounding.
template <typename T>
COTRAIN_INLINE T log1p_of(T u) {
  const T s = T(1) + u;
  const T lost = u - (s - T(1));
  return log_of(s) + (s < T(1.5) ? lost * (T(2) - s) : T(0));
}
