// The rows of a pooling over the threads.

#include "host/pooling.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "cpu/isa.h"
#include "host/shards.h"

namespace cotrain {
constexpr int lanes = 16;  // rows in a block: two AVX-512 or four AVX2 vectors of double, so that one need not wait for the other
constexpr double lowest = -1e308;  // below every logarithm
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

namespace {

// What one thread writes on, for one block of rows after another.
struct Workspace {
  std::vector<double> numbers;
  std::vector<std::uint8_t> flags;
  Workspace(std::size_t m, std::size_t n_classes)
      : numbers(((m + 1) * n_classes + m) * lanes), flags(m * n_classes * lanes) {}
};

}  // namespace
}  // namespace cotrain

#define COTRAIN_KERNEL "host/pooling.inl"
#include "cpu/for_each_isa.h"

namespace cotrain {

void pool_opinions(const Pooling& pooling, std::int64_t shard_rows, int n_threads) {
  const auto n_members = static_cast<std::size_t>(pooling.n_members);
  const auto n_classes = static_cast<std::size_t>(pooling.n_classes);
  for_each_shard(pooling.n_rows, shard_rows, n_threads, [&] {
    return [&, work = Workspace(n_members, n_classes)](std::int64_t begin, std::int64_t end) mutable {
      COTRAIN_ON_CHOSEN_ISA(pool_rows, pooling, begin, end, work.numbers.data(), work.flags.data());
    };
  });
}

}  // namespace cotrain
