// Rows of one head, on one instruction set. Compiled once per namespace by for_each_isa.h.
//
// Few classes: blocks of `lanes` rows, turned so that the vector runs across rows (a row of 5 classes cannot
// fill a vector). Many classes: one row at a time, the vector runs across classes; the row's exponentials
// wait in the gradient buffer, so that each is computed once.

#include "cpu/simd_math.inl"

constexpr int lanes = 16;  // rows in a block: one AVX-512 or two AVX2 vectors of float

template <typename Sum>
inline bool counts(const CrossEntropyHead& head, std::int64_t row) {
  const auto* weights = static_cast<const Sum*>(head.weights);
  return (weights == nullptr || weights[row] > Sum(0)) && (head.codes == nullptr || head.codes[row] != ignored_code);
}

template <typename Sum>
inline Sum weight_of(const CrossEntropyHead& head, std::int64_t row) {
  return head.weights == nullptr ? Sum(1) : static_cast<const Sum*>(head.weights)[row];
}

// What a row's gradient is multiplied with. In double until the last step: for weights near the ends of float's range
// neither their sum nor `scale`, which divides by it, is a float, and only the product is.
template <typename Sum>
inline Sum slope_scale_of(const CrossEntropyHead& head, std::int64_t row, double scale) {
  return static_cast<Sum>(scale * static_cast<double>(weight_of<Sum>(head, row)));
}

// A block of `n` <= lanes rows. The lanes beyond `n`, and rows that do not count, hold zeros and are not written:
// every row goes through the same instructions wherever its block begins or ends.
template <typename E>
double few_classes(const CrossEntropyHead& head, std::int64_t first, int n, double scale) {
  using Sum = typename E::Sum;
  const int C = static_cast<int>(head.n_classes);
  Sum z[few * lanes];  // [C, lanes] logits, then shifted logits, then exponentials
  Sum q[few * lanes];  // [C, lanes] probabilities, where given
  Sum mass[lanes], peak[lanes], rest[lanes], sum[lanes], shortfall[lanes], loss[lanes], slope_scale[lanes];
  int top[lanes];  // the first class of the largest logit; `rest` is the sum of the other exponentials
  std::int64_t code[lanes];
  bool active[lanes];

  for (int lane = 0; lane < lanes; ++lane) {
    const std::int64_t row = first + lane;
    active[lane] = lane < n && counts<Sum>(head, row);
    code[lane] = active[lane] && head.codes != nullptr ? head.codes[row] : 0;
    slope_scale[lane] = active[lane] ? slope_scale_of<Sum>(head, row, scale) : Sum(0);
    mass[lane] = Sum(1);
    shortfall[lane] = rest[lane] = Sum(0);
    top[lane] = 0;
    if (active[lane]) {
      const auto* x = static_cast<const typename E::Raw*>(head.logits) + row * head.logits_row_stride;
      for (int c = 0; c < C; ++c) z[c * lanes + lane] = E::load(x[c]);
    } else {
      for (int c = 0; c < C; ++c) z[c * lanes + lane] = Sum(0);
    }
  }
  for (int lane = 0; lane < lanes; ++lane) peak[lane] = z[lane];
  for (int c = 1; c < C; ++c)
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const Sum value = z[c * lanes + lane];
      top[lane] = value > peak[lane] ? c : top[lane];
      peak[lane] = value > peak[lane] ? value : peak[lane];
    }
  for (int c = 0; c < C; ++c)
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) z[c * lanes + lane] -= peak[lane];

  if (head.codes != nullptr) {
    for (int lane = 0; lane < lanes; ++lane) shortfall[lane] = -z[code[lane] * lanes + lane];
  } else {
    for (int lane = 0; lane < lanes; ++lane) {
      const Sum* given = static_cast<const Sum*>(head.probabilities) + (first + lane) * head.probabilities_row_stride;
      mass[lane] = Sum(0);
      for (int c = 0; c < C; ++c) q[c * lanes + lane] = active[lane] ? given[c] : Sum(0);
    }
    for (int c = 0; c < C; ++c)
#pragma omp simd
      for (int lane = 0; lane < lanes; ++lane) {
        mass[lane] += q[c * lanes + lane];
        shortfall[lane] += shortfall_term(q[c * lanes + lane], z[c * lanes + lane]);
      }
  }
  for (int c = 0; c < C; ++c)
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const Sum value = exp_of(z[c * lanes + lane]);
      z[c * lanes + lane] = value;
      rest[lane] += c == top[lane] ? Sum(0) : value;
    }
#pragma omp simd
  for (int lane = 0; lane < lanes; ++lane) sum[lane] = rest[lane] + exp_of(peak[lane] - peak[lane]);
#pragma omp simd
  for (int lane = 0; lane < lanes; ++lane) loss[lane] = cross_entropy(mass[lane], log_of(sum[lane]), shortfall[lane]);

  double weighted = 0;
  for (int lane = 0; lane < n; ++lane) {
    static_cast<Sum*>(head.per_sample)[first + lane] = active[lane] ? loss[lane] : Sum(0);
    if (active[lane]) weighted += double(weight_of<Sum>(head, first + lane)) * double(loss[lane]);
  }
  if (head.gradient == nullptr) return weighted;

  if (head.codes != nullptr) {
    for (int c = 0; c < C; ++c)
      for (int lane = 0; lane < lanes; ++lane) q[c * lanes + lane] = Sum(code[lane] == c);
  }
#pragma omp simd
  for (int lane = 0; lane < lanes; ++lane) slope_scale[lane] /= sum[lane];
  for (int c = 0; c < C; ++c)
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const int at = c * lanes + lane;
      const Sum others = c == top[lane] ? rest[lane] : sum[lane] - z[at];
      z[at] = cross_entropy_slope(mass[lane], z[at], others, q[at]) * slope_scale[lane];
    }
  for (int lane = 0; lane < n; ++lane) {
    Sum* gradient = static_cast<Sum*>(head.gradient) + (first + lane) * C;
    for (int c = 0; c < C; ++c) gradient[c] = z[c * lanes + lane];
  }
  return weighted;
}

// One row that counts; `slope_scale` as above.
template <typename E>
typename E::Sum many_classes(const CrossEntropyHead& head, std::int64_t row, typename E::Sum slope_scale) {
  using Sum = typename E::Sum;
  const std::int64_t C = head.n_classes;
  const auto* x = static_cast<const typename E::Raw*>(head.logits) + row * head.logits_row_stride;
  Sum* gradient = head.gradient == nullptr ? nullptr : static_cast<Sum*>(head.gradient) + row * C;
  const Sum* given = head.probabilities == nullptr
                         ? nullptr
                         : static_cast<const Sum*>(head.probabilities) + row * head.probabilities_row_stride;

  Sum peak = E::load(x[0]);
#pragma omp simd reduction(max : peak)
  for (std::int64_t c = 0; c < C; ++c) {
    const Sum value = E::load(x[c]);
    peak = value > peak ? value : peak;
  }
  std::int64_t top = 0;  // the first class of the largest logit; a row of NaN has none, and is NaN whatever it is
  while (top < C - 1 && !(E::load(x[top]) == peak)) ++top;
  Sum rest = 0;  // the sum of the other exponentials
  if (gradient == nullptr) {
#pragma omp simd reduction(+ : rest)
    for (std::int64_t c = 0; c < C; ++c) rest += c == top ? Sum(0) : exp_of(E::load(x[c]) - peak);
  } else {
#pragma omp simd reduction(+ : rest)
    for (std::int64_t c = 0; c < C; ++c) {
      const Sum value = exp_of(E::load(x[c]) - peak);
      gradient[c] = value;
      rest += c == top ? Sum(0) : value;
    }
  }
  const Sum sum = rest + exp_of(E::load(x[top]) - peak);
  Sum mass = 1, shortfall = 0;
  if (given == nullptr) {
    shortfall = peak - E::load(x[head.codes[row]]);
  } else {
    mass = 0;
#pragma omp simd reduction(+ : mass, shortfall)
    for (std::int64_t c = 0; c < C; ++c) {
      mass += given[c];
      shortfall += shortfall_term(given[c], E::load(x[c]) - peak);
    }
  }
  const Sum loss = cross_entropy(mass, log_of(sum), shortfall);
  if (gradient == nullptr) return loss;

  const Sum scaled = slope_scale / sum;
  const Sum at_top = gradient[top];
  if (given == nullptr) {
    const std::int64_t code = head.codes[row];
    const Sum at_code = gradient[code];
#pragma omp simd
    for (std::int64_t c = 0; c < C; ++c) gradient[c] *= scaled;
    gradient[code] = cross_entropy_slope(mass, at_code, code == top ? rest : sum - at_code, Sum(1)) * scaled;
  } else {
#pragma omp simd
    for (std::int64_t c = 0; c < C; ++c) {
      gradient[c] = cross_entropy_slope(mass, gradient[c], sum - gradient[c], given[c]) * scaled;
    }
    gradient[top] = cross_entropy_slope(mass, at_top, rest, given[top]) * scaled;
  }
  return loss;
}

// Rows [begin, end) of one head: their outputs, and the sum of weight * loss.
template <typename E>
double rows_of(const CrossEntropyHead& head, std::int64_t begin, std::int64_t end, double scale) {
  using Sum = typename E::Sum;
  double weighted = 0;
  if (head.n_classes <= few) {
    for (std::int64_t first = begin; first < end; first += lanes) {
      const std::int64_t left = end - first;
      weighted += few_classes<E>(head, first, static_cast<int>(left < lanes ? left : lanes), scale);
    }
    return weighted;
  }
  for (std::int64_t row = begin; row < end; ++row) {
    const bool active = counts<Sum>(head, row);
    const Sum weight = active ? weight_of<Sum>(head, row) : Sum(0);
    const Sum loss = active ? many_classes<E>(head, row, slope_scale_of<Sum>(head, row, scale)) : Sum(0);
    static_cast<Sum*>(head.per_sample)[row] = loss;
    if (active) {
      weighted += double(weight) * double(loss);
    } else if (head.gradient != nullptr) {
      Sum* gradient = static_cast<Sum*>(head.gradient) + row * head.n_classes;
      for (std::int64_t c = 0; c < head.n_classes; ++c) gradient[c] = Sum(0);
    }
  }
  return weighted;
}

inline double cross_entropy_rows(Element element, const CrossEntropyHead& head, std::int64_t begin, std::int64_t end,
                                 double scale) {
  switch (element) {
    case Element::float64: return rows_of<Plain<double>>(head, begin, end, scale);
    case Element::bfloat16: return rows_of<Brain16>(head, begin, end, scale);
    case Element::float16: return rows_of<Half16>(head, begin, end, scale);
    default: return rows_of<Plain<float>>(head, begin, end, scale);
  }
}
