// The sums over a row that the l1 searches ask for. No guard: once per namespace.

// In blocks, so that the count within one fits the lanes of the loop's own type.
template <typename Sum>
std::int64_t count_reaching(const Sum* pulls, std::int64_t n, Sum threshold) {
  constexpr std::int64_t block = 1 << 20;
  std::int64_t total = 0;
  for (std::int64_t first = 0; first < n; first += block) {
    const std::int64_t last = n - first < block ? n : first + block;
    typename BitsOf<Sum>::Int count = 0;
#pragma omp simd reduction(+ : count)
    for (std::int64_t j = first; j < last; ++j) count += pulls[j] >= threshold ? 1 : 0;
    total += count;
  }
  return total;
}

// Two loops: of one with two sums under one condition gcc may make a branch, and no vector instructions.
template <typename Sum>
double sum_exceeding(const Sum* sizes, std::int64_t n, Sum border, double& count) {
  double sum = 0, above = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t j = 0; j < n; ++j) {
    const Sum kept = sizes[j] > border ? sizes[j] : Sum(0);
    sum += static_cast<double>(kept);
  }
#pragma omp simd reduction(+ : above)
  for (std::int64_t j = 0; j < n; ++j) above += sizes[j] > border ? 1.0 : 0.0;
  count = above;
  return sum;
}

template <typename Sum>
struct Pulls {
  const Sum* of;  // [n] >= 0
  std::int64_t n;
  std::int64_t count_at_least(Sum threshold) const { return count_reaching(of, n, threshold); }
};

template <typename Sum>
struct Sizes {
  const Sum* of;  // [n] >= 0
  std::int64_t n;
  double sum_above(Sum border, double& count) const { return sum_exceeding(of, n, border, count); }
};
