// The heads' rows over the threads: who computes what, in which order the parts are added.
//
// Rows are cut into chunks by the number of classes alone, never by the number of threads; each chunk's sums
// are kept apart and added in their order. So totals are the same bits for any number of threads.

#include "cross_entropy.h"

#include <torch/csrc/stable/ops.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "cpu/elements.h"
#include "cpu/isa.h"
#include "formulas.h"

namespace cotrain {
constexpr int few = 32;  // up to here the vector runs across rows: two blocks of 32 x 16 doubles still fit the first cache
}  // namespace cotrain

#define COTRAIN_KERNEL "cpu/cross_entropy.inl"
#include "cpu/for_each_isa.h"

namespace cotrain {
namespace {

// Some 8192 logits per chunk: about 10 microseconds, enough to hide the cost of handing one out.
constexpr std::int64_t chunk_logits = 8192;
// Fewer chunks than this are not worth waking a second thread for; the same figure as ATen's grain of 32768.
constexpr std::int64_t grain = 4;

struct Chunk {
  std::size_t head;
  std::int64_t begin, end;
  double weight = 0, weighted_loss = 0;
  std::int64_t faulty_row = -1;
  CrossEntropyFault::Kind fault = CrossEntropyFault::Kind::none;
};

std::vector<Chunk> cut(const std::vector<CrossEntropyHead>& heads) {
  std::vector<Chunk> chunks;
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const std::int64_t wanted = std::max<std::int64_t>(1, chunk_logits / heads[h].n_classes);
    // A whole number of 16-row blocks, where blocks are what the kernel works in.
    const std::int64_t rows = heads[h].n_classes <= few ? (wanted + 15) / 16 * 16 : wanted;
    for (std::int64_t begin = 0; begin < heads[h].n_rows; begin += rows) {
      Chunk chunk{h, begin, std::min(begin + rows, heads[h].n_rows)};
      chunks.push_back(chunk);
    }
  }
  return chunks;
}

// Sums a chunk's weights and looks for the first row that cannot be: before anything is written.
template <typename Sum>
void weigh(const CrossEntropyHead& head, Chunk& chunk) {
  const auto* weights = static_cast<const Sum*>(head.weights);
  for (std::int64_t row = chunk.begin; row < chunk.end; ++row) {
    const double weight = weights == nullptr ? 1.0 : static_cast<double>(weights[row]);
    if (!(weight >= 0 && std::isfinite(weight))) {
      chunk.fault = CrossEntropyFault::Kind::weight;
      chunk.faulty_row = row;
      return;
    }
    if (weight == 0) continue;  // such a row is not read, so its code may be anything
    if (head.codes != nullptr) {
      const std::int64_t code = head.codes[row];
      if (code == ignored_code) continue;
      if (code < 0 || code >= head.n_classes) {
        chunk.fault = CrossEntropyFault::Kind::code;
        chunk.faulty_row = row;
        return;
      }
    }
    chunk.weight += weight;
  }
}

}  // namespace

CrossEntropyFault cross_entropy_cpu(Element element, const std::vector<CrossEntropyHead>& heads, double* head_losses) {
  std::vector<Chunk> chunks = cut(heads);
  const auto n_chunks = static_cast<std::int64_t>(chunks.size());

  torch::stable::parallel_for(0, n_chunks, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      Chunk& chunk = chunks[static_cast<std::size_t>(i)];
      if (element == Element::float64) weigh<double>(heads[chunk.head], chunk);
      else weigh<float>(heads[chunk.head], chunk);
    }
  });
  std::vector<double> weight(heads.size(), 0.0);
  for (const Chunk& chunk : chunks) {
    if (chunk.fault != CrossEntropyFault::Kind::none) return {chunk.fault, chunk.head, chunk.faulty_row};
    weight[chunk.head] += chunk.weight;
  }

  torch::stable::parallel_for(0, n_chunks, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      Chunk& chunk = chunks[static_cast<std::size_t>(i)];
      const CrossEntropyHead& head = heads[chunk.head];
      const double total = weight[chunk.head];
      const double scale = total > 0 ? head.gradient_scale / total : 0.0;
      chunk.weighted_loss = COTRAIN_ON_CHOSEN_ISA(cross_entropy_rows, element, head, chunk.begin, chunk.end, scale);
    }
  });
  std::fill(head_losses, head_losses + heads.size(), 0.0);
  for (const Chunk& chunk : chunks) head_losses[chunk.head] += chunk.weighted_loss;
  for (std::size_t h = 0; h < heads.size(); ++h) {
    head_losses[h] = weight[h] > 0 ? head_losses[h] / weight[h] : 0.0;
  }
  return {};
}

}  // namespace cotrain
