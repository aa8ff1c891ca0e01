// Tensors of the stable ABI without values. Straight through the C interface: by way of the dispatcher, as
// torch::stable::new_empty goes, one takes a microsecond, and a call of small heads makes eight.
#pragma once

#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include <initializer_list>
#include <vector>

#include "tensors.h"

namespace cotrain {

inline std::int32_t dtype_of(ScalarType type) {
  switch (type) {
    case ScalarType::Double: return aoti_torch_dtype_float64();
    case ScalarType::BFloat16: return aoti_torch_dtype_bfloat16();
    case ScalarType::Half: return aoti_torch_dtype_float16();
    case ScalarType::Bool: return aoti_torch_dtype_bool();
    default: return aoti_torch_dtype_float32();
  }
}

// The CPU, or a GPU by its number.
struct Place {
  std::int32_t gpu = -1;

  bool holds(const Tensor& tensor) const {
    return gpu < 0 ? tensor.is_cpu() : tensor.is_cuda() && tensor.get_device_index() == gpu;
  }
};

inline Place place_of(const Tensor& tensor) { return {tensor.is_cuda() ? tensor.get_device_index() : -1}; }

inline Tensor fresh(const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& strides, ScalarType type,
                    Place place = {}) {
  AtenTensorHandle handle = nullptr;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_empty_strided(
      static_cast<std::int64_t>(sizes.size()), sizes.data(), strides.data(), dtype_of(type),
      place.gpu < 0 ? aoti_torch_device_type_cpu() : aoti_torch_device_type_cuda(), place.gpu < 0 ? 0 : place.gpu,
      &handle));
  return Tensor(handle);
}

// [n], or a scalar.
inline Tensor fresh(std::initializer_list<std::int64_t> sizes, ScalarType type, Place place = {}) {
  return fresh(sizes, std::vector<std::int64_t>(sizes.size(), 1), type, place);
}

// The sizes of a tensor, and the strides that it has where nothing lies between its elements.
inline std::vector<std::int64_t> sizes_of(const Tensor& tensor) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t d = 0; d < tensor.dim(); ++d) sizes.push_back(tensor.size(d));
  return sizes;
}

inline std::vector<std::int64_t> packed_strides(const std::vector<std::int64_t>& sizes) {
  std::vector<std::int64_t> strides(sizes.size(), 1);
  for (std::size_t d = sizes.size(); d-- > 1;) strides[d - 1] = strides[d] * (sizes[d] > 1 ? sizes[d] : 1);
  return strides;
}

// Of the shape and type of another, in the order of its dimensions.
inline Tensor fresh_packed(const Tensor& tensor) {
  const std::vector<std::int64_t> sizes = sizes_of(tensor);
  return fresh(sizes, packed_strides(sizes), tensor.scalar_type(), place_of(tensor));
}

// As torch.empty_like, whose way through the dispatcher is spared where the tensor is packed.
inline Tensor fresh_like(const Tensor& tensor) {
  const std::vector<std::int64_t> strides = packed_strides(sizes_of(tensor));
  for (std::int64_t d = 0; d < tensor.dim(); ++d) {
    if (tensor.stride(d) != strides[static_cast<std::size_t>(d)]) return torch::stable::empty_like(tensor);
  }
  return fresh_packed(tensor);
}

}  // namespace cotrain
