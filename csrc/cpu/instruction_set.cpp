// cotrain::instruction_set: what the kernels of this library run on here. The one operator that only the core has.

#include <torch/csrc/stable/library.h>

#include <string>

#include "cpu/isa.h"

namespace cotrain {

std::string instruction_set() { return name_of(chosen_isa()); }

STABLE_TORCH_LIBRARY_FRAGMENT(cotrain, m) { m.def("instruction_set() -> str"); }

// Without a tensor there is no device to go by: this key serves them all.
STABLE_TORCH_LIBRARY_IMPL(cotrain, CompositeExplicitAutograd, m) {
  m.impl("instruction_set", TORCH_BOX(&instruction_set));
}

}  // namespace cotrain
