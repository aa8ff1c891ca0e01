// Steps of sureness are whole numbers of 30 bits, found ten bits at a time: count the open rows of each class by the
// next ten bits, walk down from the surest until the quota is full, go on within the step where that happened. Three
// sweeps over the rows find each class's last step, a fourth admits; counts do not care for the rows' order.

#include "host/quotas.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace cotrain {
namespace {

constexpr int bits = 10, sweeps = 3;
constexpr std::int64_t buckets = 1 << bits;
constexpr std::int64_t top = (std::int64_t(1) << (bits * sweeps)) - 1;

// Where a class's quota ends: rows above step `last` are in, and of those on it the first `on_last` of the table.
struct Border {
  std::int64_t last = 0, on_last = 0;
};

std::int64_t step_of(const Quotas& quotas, std::int64_t row) {
  const double step = std::nearbyint(quotas.margin[row] * quotas.agreement[row] / quotas.tie);
  if (!(step >= 0 && step <= static_cast<double>(top)))
    throw std::invalid_argument("Row " + std::to_string(row) +
                                " may be admitted, so its `margin` and `agreement` must be from 0 to 1.");
  return static_cast<std::int64_t>(step);
}

std::vector<Border> empty_quotas(const Quotas& quotas) {
  std::vector<std::int64_t> n_inside(static_cast<std::size_t>(quotas.n_classes), 0);
  for (std::int64_t row = 0; row < quotas.n_rows; ++row) {
    if (quotas.verdict[row] != quotas.kind.open && quotas.verdict[row] != quotas.kind.disputed) continue;
    if (quotas.codes[row] < 0 || quotas.codes[row] >= quotas.n_classes)
      throw std::invalid_argument("Row " + std::to_string(row) +
                                  " may be admitted, so its entry in `codes` must be from 0 to " +
                                  std::to_string(quotas.n_classes - 1) + "; got " +
                                  std::to_string(quotas.codes[row]) + ".");
    ++n_inside[static_cast<std::size_t>(quotas.codes[row])];
  }
  std::vector<Border> borders(n_inside.size());
  for (std::size_t c = 0; c < borders.size(); ++c) {
    // Less a hair, so that a product such as 0.07 * 100, a little above 7 in floats, is not rounded up to 8.
    borders[c].on_last = static_cast<std::int64_t>(std::ceil(quotas.share * static_cast<double>(n_inside[c]) - 1e-9));
  }
  return borders;
}

// `last` holds the bits above `shift + bits`; adds the next ten, and leaves in `on_last` what is still to be filled.
void narrow(const Quotas& quotas, int shift, std::vector<Border>& borders, std::vector<std::int64_t>& counts) {
  std::fill(counts.begin(), counts.end(), 0);
  for (std::int64_t row = 0; row < quotas.n_rows; ++row) {
    if (quotas.verdict[row] != quotas.kind.open) continue;
    const std::int64_t code = quotas.codes[row], step = step_of(quotas, row) >> shift;
    if (step >> bits == borders[static_cast<std::size_t>(code)].last)
      ++counts[static_cast<std::size_t>(code * buckets + step % buckets)];
  }
  for (std::size_t c = 0; c < borders.size(); ++c) {
    const std::int64_t* count = counts.data() + c * buckets;
    std::int64_t bucket = buckets - 1;
    for (; bucket > 0 && count[bucket] <= borders[c].on_last; --bucket) borders[c].on_last -= count[bucket];
    borders[c].last = borders[c].last * buckets + bucket;
  }
}

}  // namespace

void admit_surest(const Quotas& quotas) {
  std::vector<Border> borders = empty_quotas(quotas);
  std::vector<std::int64_t> counts(borders.size() * buckets);
  for (int sweep = 1; sweep <= sweeps; ++sweep) narrow(quotas, bits * (sweeps - sweep), borders, counts);
  for (std::int64_t row = 0; row < quotas.n_rows; ++row) {
    if (quotas.verdict[row] != quotas.kind.open) continue;
    Border& border = borders[static_cast<std::size_t>(quotas.codes[row])];
    const std::int64_t step = step_of(quotas, row);
    if (step > border.last || (step == border.last && border.on_last-- > 0)) quotas.verdict[row] = quotas.kind.admitted;
  }
}

}  // namespace cotrain
