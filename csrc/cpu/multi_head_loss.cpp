// The heads' samples over the threads: who computes what, in which order the parts are added.
//
// Samples are cut into chunks by their size alone, never by the number of threads; each chunk's sums are kept apart and
// added in their order. So totals are the same bits for any number of threads.

#include "multi_head_loss.h"

#include <torch/csrc/stable/ops.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>

#include "cpu/elements.h"
#include "cpu/isa.h"
#include "loss_formulas.h"

namespace cotrain {
namespace {

// Whole samples, or a part of one: positions, of a loss over classes; else elements in the order [C, P].
struct Chunk {
  std::size_t head = 0;
  std::int64_t samples_begin = 0, samples_end = 0;
  std::int64_t begin = 0, end = 0;
  bool is_whole = true;
};

// What the kernels found out about a part of a head.
struct Found {
  double weighted = 0;     // sum of weight * loss
  double loss = 0;         // sum of loss
  std::int64_t count = 0;  // how many positions, or elements, count
};

constexpr int few_classes =
    64;  // up to here, and where classes do not lie side by side, the vector runs across positions

inline bool runs_along_classes(const LossHead& head) {
  return head.n_classes > few_classes && head.outputs_at.item == 1 &&
         (head.targets == nullptr || head.targets_at.item == 1) &&
         (head.gradient == nullptr || head.gradient_at.item == 1);
}

template <typename Sum>
void store_mean(const LossHead& head, std::int64_t sample, const Found& found) {
  const double mean = found.count > 0 ? found.loss / double(found.count) : 0.0;
  static_cast<Sum*>(head.per_sample)[sample] = static_cast<Sum>(mean);
}

}  // namespace
}  // namespace cotrain

#define COTRAIN_KERNEL "cpu/multi_head_loss.inl"
#include "cpu/for_each_isa.h"

namespace cotrain {
namespace {

// Some 8192 elements per chunk: about 10 microseconds, enough to hide the cost of handing one out.
constexpr std::int64_t chunk_elements = 8192;
// Fewer chunks than this are not worth waking a second thread for; the same figure as ATen's grain of 32768.
constexpr std::int64_t grain = 4;
constexpr std::int64_t block = 32;  // `lanes` in cpu/softmax_tile.inl

std::int64_t in_blocks(std::int64_t n) { return std::max<std::int64_t>(1, (n + block - 1) / block) * block; }

std::vector<Chunk> cut(const std::vector<LossHead>& heads) {
  std::vector<Chunk> chunks;
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const LossHead& head = heads[h];
    const std::int64_t size = head.n_classes * head.n_positions;
    const bool over_classes = is_over_classes(head.kind);
    const std::int64_t parts = over_classes ? head.n_positions : size;
    if (head.n_positions > 1 && size > 2 * chunk_elements) {
      const std::int64_t length = over_classes ? in_blocks(chunk_elements / head.n_classes) : chunk_elements;
      for (std::int64_t sample = 0; sample < head.n_samples; ++sample) {
        for (std::int64_t begin = 0; begin < parts; begin += length) {
          chunks.push_back({h, sample, sample + 1, begin, std::min(begin + length, parts), false});
        }
      }
      continue;
    }
    std::int64_t samples = std::max<std::int64_t>(1, chunk_elements / std::max<std::int64_t>(1, size));
    if (over_classes && head.n_positions == 1 && !runs_along_classes(head)) samples = in_blocks(samples);
    for (std::int64_t begin = 0; begin < head.n_samples; begin += samples) {
      chunks.push_back({h, begin, std::min(begin + samples, head.n_samples), 0, parts, true});
    }
  }
  return chunks;
}

// Room for two tiles of the widest head, in bytes.
std::size_t scratch_bytes(const std::vector<LossHead>& heads, Element element) {
  std::int64_t numbers = 0;
  for (const LossHead& head : heads) {
    if (!is_over_classes(head.kind)) continue;
    numbers = std::max(numbers, 2 * (runs_along_classes(head) ? in_blocks(head.n_classes) : head.n_classes * block));
  }
  return static_cast<std::size_t>(numbers) * (element == Element::float64 ? sizeof(double) : sizeof(float));
}

// The parts of one sample that are spread over several chunks become its mean.
template <typename Sum>
void join_parts(const std::vector<LossHead>& heads, const std::vector<Chunk>& chunks, const std::vector<Found>& found) {
  for (std::size_t i = 0; i < chunks.size();) {
    if (chunks[i].is_whole) {
      ++i;
      continue;
    }
    Found own;
    const Chunk& first = chunks[i];
    for (; i < chunks.size() && chunks[i].head == first.head && chunks[i].samples_begin == first.samples_begin; ++i) {
      own.loss += found[i].loss;
      own.count += found[i].count;
    }
    store_mean<Sum>(heads[first.head], first.samples_begin, own);
  }
}

template <typename Sum>
LossFault first_wrong_class_weight(const LossHead& head, std::size_t number) {
  const auto* weights = static_cast<const Sum*>(head.class_weights);
  for (std::int64_t c = 0; weights != nullptr && c < head.n_classes; ++c) {
    if (!(weights[c] >= 0 && std::isfinite(weights[c]))) return {LossFault::Kind::class_weight, number, c, 0};
  }
  return {};
}

}  // namespace

LossFault multi_head_loss_cpu(Element element, const std::vector<LossHead>& heads, double* head_losses) {
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const LossFault fault = element == Element::float64 ? first_wrong_class_weight<double>(heads[h], h)
                                                        : first_wrong_class_weight<float>(heads[h], h);
    if (fault.kind != LossFault::Kind::none) return fault;
  }
  const std::vector<Chunk> chunks = cut(heads);
  const auto n_chunks = static_cast<std::int64_t>(chunks.size());
  std::vector<double> shares(chunks.size());
  std::vector<LossFault> faults(chunks.size());
  torch::stable::parallel_for(0, n_chunks, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      shares[at] = COTRAIN_ON_CHOSEN_ISA(weigh_chunk, element, heads[chunks[at].head], chunks[at], faults[at]);
    }
  });
  std::vector<double> share(heads.size(), 0.0);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (faults[i].kind != LossFault::Kind::none) {
      faults[i].head = chunks[i].head;
      return faults[i];
    }
    share[chunks[i].head] += shares[i];
  }

  std::vector<Found> found(chunks.size());
  const std::size_t room = scratch_bytes(heads, element);
  torch::stable::parallel_for(0, n_chunks, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::unique_ptr<char[]> scratch(new char[room + 64]);
    void* aligned = reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(scratch.get()) + 63) / 64 * 64);
    for (std::int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const LossHead& head = heads[chunks[at].head];
      const double total = share[chunks[at].head];
      const double scale = total > 0 ? head.gradient_scale / total : 0.0;
      found[at] = COTRAIN_ON_CHOSEN_ISA(loss_chunk, element, head, chunks[at], scale, aligned);
    }
  });
  if (element == Element::float64)
    join_parts<double>(heads, chunks, found);
  else
    join_parts<float>(heads, chunks, found);
  std::fill(head_losses, head_losses + heads.size(), 0.0);
  for (std::size_t i = 0; i < chunks.size(); ++i) head_losses[chunks[i].head] += found[i].weighted;
  for (std::size_t h = 0; h < heads.size(); ++h) head_losses[h] = share[h] > 0 ? head_losses[h] / share[h] : 0.0;
  return {};
}

}  // namespace cotrain
