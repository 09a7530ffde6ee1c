#include "processor.h"

#if defined(__x86_64__)

bool tessera_supports_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

bool tessera_supports_avx512(void) {
    return tessera_supports_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}

bool tessera_supports_avx512vnni(void) {
    return tessera_supports_avx512() && __builtin_cpu_supports("avx512vnni");
}

bool tessera_supports_avx512bf16(void) {
    return tessera_supports_avx512() && __builtin_cpu_supports("avx512bf16");
}

#endif
