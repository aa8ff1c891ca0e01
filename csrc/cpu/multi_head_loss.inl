// One chunk of a head, on one instruction set. Compiled once per namespace by for_each_isa.h.

#include "cpu/simd_math.inl"
#include "cpu/counting.inl"
#include "cpu/softmax_tile.inl"
#include "cpu/blocks.inl"
#include "cpu/vector_targets.inl"
#include "cpu/softmax_loss.inl"
#include "cpu/element_loss.inl"

template <typename E, typename Stored, bool is_row>
Found softmax_chunk(const LossHead& head, const Chunk& chunk, double scale, typename E::Sum* scratch) {
  Found found;
  Block<typename E::Sum, is_row> block;
  block.are_samples = head.n_positions == 1;
  const std::int64_t step = is_row ? 1 : lanes;
  // Samples of one position each lie side by side in blocks; of others the positions do.
  const std::int64_t n_outer = block.are_samples ? 1 : chunk.samples_end - chunk.samples_begin;
  const std::int64_t begin = block.are_samples ? chunk.samples_begin : chunk.begin;
  const std::int64_t end = block.are_samples ? chunk.samples_end : chunk.end;
  for (std::int64_t outer = 0; outer < n_outer; ++outer) {
    Found own;
    for (std::int64_t at = begin; at < end; at += step) {
      block.sample = block.are_samples ? at : chunk.samples_begin + outer;
      block.position = block.are_samples ? 0 : at;
      block.n = static_cast<int>(end - at < step ? end - at : step);
      const Found part = softmax_block<E, Stored, is_row>(head, block, scale, scratch);
      own.weighted += part.weighted;
      own.loss += part.loss;
      own.count += part.count;
    }
    found.weighted += own.weighted;
    found.loss += own.loss;
    found.count += own.count;
    if (!block.are_samples && chunk.is_whole) store_mean<typename E::Sum>(head, chunk.samples_begin + outer, own);
  }
  return found;
}

template <typename E, typename Stored>
Found element_chunk(const LossHead& head, const Chunk& chunk, double scale) {
  Found found;
  for (std::int64_t sample = chunk.samples_begin; sample < chunk.samples_end; ++sample) {
    Found own;
    if (weight_of<typename E::Sum>(head, sample) > typename E::Sum(0)) {
      switch (head.kind) {
        case LossKind::binary_cross_entropy:
          own = element_part<LossKind::binary_cross_entropy, E, Stored>(head, sample, chunk.begin, chunk.end, scale);
          break;
        case LossKind::squared_error:
          own = element_part<LossKind::squared_error, E, Stored>(head, sample, chunk.begin, chunk.end, scale);
          break;
        default: own = element_part<LossKind::huber, E, Stored>(head, sample, chunk.begin, chunk.end, scale);
      }
    } else if (head.gradient != nullptr) {
      auto* gradient = static_cast<typename E::Raw*>(head.gradient) + sample * head.gradient_at.sample;
      for (std::int64_t i = chunk.begin; i < chunk.end; ++i) {
        gradient[i / head.n_positions * head.gradient_at.item + i % head.n_positions * head.gradient_at.position] =
            E::store(typename E::Sum(0));
      }
    }
    found.weighted += own.weighted;
    found.loss += own.loss;
    found.count += own.count;
    if (chunk.is_whole) store_mean<typename E::Sum>(head, sample, own);
  }
  return found;
}

template <typename E, typename Stored>
Found chunk_of(const LossHead& head, const Chunk& chunk, double scale, void* scratch) {
  auto* space = static_cast<typename E::Sum*>(scratch);
  if (!is_over_classes(head.kind)) return element_chunk<E, Stored>(head, chunk, scale);
  return runs_along_classes(head) ? softmax_chunk<E, Stored, true>(head, chunk, scale, space)
                                  : softmax_chunk<E, Stored, false>(head, chunk, scale, space);
}

inline Found loss_chunk(Element element, const LossHead& head, const Chunk& chunk, double scale, void* scratch) {
  const bool as_elements = head.targets != nullptr && head.targets_are_elements;
  switch (element) {
    case Element::float64: return chunk_of<Plain<double>, Plain<double>>(head, chunk, scale, scratch);
    case Element::bfloat16:
      return as_elements ? chunk_of<Brain16, Brain16>(head, chunk, scale, scratch)
                         : chunk_of<Brain16, Plain<float>>(head, chunk, scale, scratch);
    case Element::float16:
      return as_elements ? chunk_of<Half16, Half16>(head, chunk, scale, scratch)
                         : chunk_of<Half16, Plain<float>>(head, chunk, scale, scratch);
    default: return chunk_of<Plain<float>, Plain<float>>(head, chunk, scale, scratch);
  }
}

// Where every code counts 1 unless it is the ignored one, all of a chunk's lie in one run.
inline double count_codes(const LossHead& head, const Chunk& chunk, LossFault& fault) {
  const std::int64_t first = chunk.samples_begin * head.n_positions + chunk.begin;
  const std::int64_t last = (chunk.samples_end - 1) * head.n_positions + chunk.end;
  std::int64_t count = 0;
  const std::int64_t wrong = scan_codes(head.codes + first, last - first, head.n_classes, head.ignored_code, count);
  if (wrong >= 0) {
    fault = {LossFault::Kind::code, 0, (first + wrong) / head.n_positions, (first + wrong) % head.n_positions};
  }
  return double(count);
}

// The chunk's summed shares, before anything is written; or its first fault.
template <typename E>
double weigh(const LossHead& head, const Chunk& chunk, LossFault& fault) {
  if (head.codes != nullptr && head.weights == nullptr && head.mask == nullptr && head.class_weights == nullptr) {
    return count_codes(head, chunk, fault);
  }
  double total = 0;
  for (std::int64_t sample = chunk.samples_begin; sample < chunk.samples_end; ++sample) {
    const auto weight = weight_of<typename E::Sum>(head, sample);
    if (!(weight >= typename E::Sum(0)) || weight == Bits<typename E::Sum>::infinity) {
      fault = {LossFault::Kind::weight, 0, sample, 0};
      return total;
    }
    if (weight == typename E::Sum(0)) continue;
    if (!is_over_classes(head.kind)) {
      total += weigh_elements<E>(head, sample, chunk.begin, chunk.end, weight);
      continue;
    }
    std::int64_t wrong = -1;
    total += weigh_positions<typename E::Sum>(head, sample, chunk.begin, chunk.end, weight, wrong);
    if (wrong >= 0) {
      fault = {LossFault::Kind::code, 0, sample, wrong};
      return total;
    }
  }
  return total;
}

inline double weigh_chunk(Element element, const LossHead& head, const Chunk& chunk, LossFault& fault) {
  switch (element) {
    case Element::float64: return weigh<Plain<double>>(head, chunk, fault);
    case Element::bfloat16: return weigh<Brain16>(head, chunk, fault);
    case Element::float16: return weigh<Half16>(head, chunk, fault);
    default: return weigh<Plain<float>>(head, chunk, fault);
  }
}
