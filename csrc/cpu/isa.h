// Which instruction set the kernels run on, decided when they run: one library serves every machine of its family.
//
// On x86-64 with gcc or clang each kernel is compiled three times (baseline, AVX2, AVX-512) and picked by what
// the processor says of itself. Elsewhere there is one version, for the architecture's own baseline (ARM: NEON).
// ATEN_CPU_CAPABILITY=default|avx2|avx512, PyTorch's own variable, lowers the choice; it never raises it.
#pragma once

#include <cstdlib>
#include <cstring>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(_MSC_VER)
#define COTRAIN_X86_LEVELS 1
#else
#define COTRAIN_X86_LEVELS 0
#endif

// A function that must become part of the loop that calls it, or the loop does not become vector instructions.
#if defined(_MSC_VER)
#define COTRAIN_INLINE __forceinline
#else
#define COTRAIN_INLINE inline __attribute__((always_inline))
#endif

namespace cotrain {

enum class Isa { baseline, avx2, avx512 };

inline const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::avx512: return "avx512";
    case Isa::avx2: return "avx2";
    default: return "baseline";
  }
}

inline Isa best_isa_of_this_processor() {
#if COTRAIN_X86_LEVELS
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx2 && avx512 ? Isa::avx512 : avx2 ? Isa::avx2 : Isa::baseline;
#else
  return Isa::baseline;
#endif
}

inline Isa choose_isa() {
  const Isa best = best_isa_of_this_processor();
  const char* wanted = std::getenv("ATEN_CPU_CAPABILITY");
  if (wanted == nullptr) return best;
  const Isa limit = std::strcmp(wanted, "default") == 0 ? Isa::baseline
                    : std::strcmp(wanted, "avx2") == 0  ? Isa::avx2
                                                        : Isa::avx512;
  return limit < best ? limit : best;
}

inline Isa chosen_isa() {
  static const Isa isa = choose_isa();
  return isa;
}

}  // namespace cotrain
