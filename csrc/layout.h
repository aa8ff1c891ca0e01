// How tensors lie in memory: in which order, and whether they share any.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "tensors.h"

namespace cotrain {

inline bool same_shape(const Tensor& a, const Tensor& b) {
  if (a.dim() != b.dim()) return false;
  for (std::int64_t i = 0; i < a.dim(); ++i) {
    if (a.size(i) != b.size(i)) return false;
  }
  return true;
}

inline bool same_strides(const Tensor& a, const Tensor& b) {
  for (std::int64_t i = 0; i < a.dim(); ++i) {
    if (a.size(i) > 1 && a.stride(i) != b.stride(i)) return false;
  }
  return true;
}

// Whether the two lie so that element i of one is element i of the other.
inline bool same_place(const Tensor& a, const Tensor& b) {
  return a.const_data_ptr() == b.const_data_ptr() && same_shape(a, b) && same_strides(a, b);
}

// Whether the spans of memory that the two reach over have anything in common. Says yes even where they only
// interlock.
inline bool spans_overlap(const Tensor& a, const Tensor& b) {
  if (a.numel() == 0 || b.numel() == 0) return false;
  const auto end_of = [](const Tensor& tensor) {
    std::int64_t last = 0;
    for (std::int64_t i = 0; i < tensor.dim(); ++i) last += (tensor.size(i) - 1) * tensor.stride(i);
    const auto bytes = (last + 1) * static_cast<std::int64_t>(tensor.element_size());
    return static_cast<const char*>(tensor.const_data_ptr()) + bytes;
  };
  // std::less, because `<` says nothing about pointers into different blocks.
  const std::less<const char*> before;
  return before(static_cast<const char*>(a.const_data_ptr()), end_of(b)) &&
         before(static_cast<const char*>(b.const_data_ptr()), end_of(a));
}

// The dimensions of one tensor in the order in which they lie in memory, outermost first. Tensors that lie like it
// (channels-last, say) become contiguous when seen in that order, without a copy.
class MemoryOrder {
 public:
  // Dimensions before `first` stay where they are.
  MemoryOrder(const Tensor& tensor, std::int64_t first) {
    std::vector<std::int64_t> strides;
    for (std::int64_t i = 0; i < tensor.dim(); ++i) {
      // The stride of a dimension of one item says nothing, so it may go anywhere.
      strides.push_back(tensor.size(i) == 1 ? std::numeric_limits<std::int64_t>::max() : tensor.stride(i));
    }
    for (std::int64_t i = first; i < tensor.dim(); ++i) {
      std::int64_t widest = i;
      for (std::int64_t j = i + 1; j < tensor.dim(); ++j) {
        if (strides[static_cast<std::size_t>(j)] > strides[static_cast<std::size_t>(widest)]) widest = j;
      }
      if (widest == i) continue;
      swaps_.emplace_back(i, widest);
      std::swap(strides[static_cast<std::size_t>(i)], strides[static_cast<std::size_t>(widest)]);
    }
  }

  // A view of `tensor`, which lacks the first `missing` dimensions.
  Tensor of(Tensor tensor, std::int64_t missing = 0) const {
    for (const auto& [one, other] : swaps_) tensor = torch::stable::transpose(tensor, one - missing, other - missing);
    return tensor;
  }

 private:
  std::vector<std::pair<std::int64_t, std::int64_t>> swaps_;
};

}  // namespace cotrain
