// cotrain.ops._build: what this copy of the core was compiled with. Does not link torch, so it loads where the core
// does not. What runs here and now only the core itself can say: cpu/instruction_set.cpp.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "cpu/isa.h"

#if !defined(COTRAIN_TORCH_VERSION) || !defined(COTRAIN_FLAGS)
#error "setup.py passes COTRAIN_TORCH_VERSION and COTRAIN_FLAGS."
#endif

namespace {

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#elif defined(__GNUC__)
  return "gcc " __VERSION__;
#elif defined(_MSC_VER)
  return "msvc " + std::to_string(_MSC_FULL_VER);
#else
  return "unknown";
#endif
}

std::vector<std::string> instruction_sets() {
#if COTRAIN_X86_LEVELS
  return {"baseline", "avx2", "avx512"};
#else
  return {"baseline"};
#endif
}

pybind11::dict build_info() {
  pybind11::dict info;
  info["compiler"] = compiler();
  info["cpp_standard"] = static_cast<long>(__cplusplus);
  info["flags"] = COTRAIN_FLAGS;
  info["torch"] = COTRAIN_TORCH_VERSION;
  info["python"] = PY_VERSION;
  info["instruction_sets"] = instruction_sets();
  return info;
}

}  // namespace

PYBIND11_MODULE(_build, module) {
  module.doc() = "What the compiled core was built with.";
  module.def("build_info", &build_info, "Compiler, flags, torch, Python and instruction sets of this build.");
}
