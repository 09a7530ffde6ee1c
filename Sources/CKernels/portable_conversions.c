#include <string.h>

#include "portable_internal.h"

static uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float tessera_portable_from_half(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 0x3ff;
    if (exponent == 0) {
        // Zero or subnormal: fraction * 2^-24 is exact in f32.
        float magnitude = (float)fraction * 0x1p-24f;
        return float_of(bits_of(magnitude) | sign);
    }
    if (exponent == 31) {
        uint32_t quiet = fraction ? 0x400000u : 0u;
        return float_of(sign | 0x7f800000u | fraction << 13 | quiet);
    }
    return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t tessera_portable_to_half(float f) {
    uint32_t u = bits_of(f), sign = u >> 16 & 0x8000u, magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u);  // 65520 and more rounds to infinity
    if (magnitude < 0x33000001u) return (uint16_t)sign;               // 2^-25 is a tie with zero, and zero is even
    uint32_t exponent = magnitude >> 23, shift = 13, kept = magnitude;
    if (exponent < 113) {
        // Subnormal: shift the full significand until its last kept bit stands for 2^-24.
        kept = (magnitude & 0x7fffffu) | 0x800000u;
        shift = 126 - exponent;
    } else {
        kept -= 112u << 23;
    }
    uint32_t odd = kept >> shift & 1u;
    return (uint16_t)(sign | (kept + (1u << (shift - 1)) - 1u + odd) >> shift);
}

void tessera_portable_halfToFloat(const uint16_t *x, float *y, intptr_t n) {
    for (intptr_t i = 0; i < n; i++) y[i] = tessera_portable_from_half(x[i]);
}

void tessera_portable_floatToHalf(const float *x, uint16_t *y, intptr_t n) {
    for (intptr_t i = 0; i < n; i++) y[i] = tessera_portable_to_half(x[i]);
}

void tessera_portable_bfloatToFloat(const uint16_t *x, float *y, intptr_t n) {
    for (intptr_t i = 0; i < n; i++) y[i] = float_of((uint32_t)x[i] << 16);
}

void tessera_portable_floatToBfloat(const float *x, uint16_t *y, intptr_t n) {
    for (intptr_t i = 0; i < n; i++) {
        uint32_t u = bits_of(x[i]);
        uint32_t rounded = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
        y[i] = (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? u >> 16 | 0x40u : rounded);
    }
}
