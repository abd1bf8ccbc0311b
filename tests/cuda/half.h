// binary16 from and to float, to nearest, half to even (IEEE 754), for compilers without such a type.
#pragma once

inline float half_to_float(Half h)
{
    const unsigned sign = (h.bits & 0x8000u) << 16, exponent = h.bits >> 10 & 31, mantissa = h.bits & 1023;
    if (exponent == 0) {
        const float small = std::ldexp((float)mantissa, -24);
        return sign ? -small : small;
    }
    const unsigned bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | mantissa << 13;
    float f;
    std::memcpy(&f, &bits, 4);
    return f;
}

inline Half float_to_half(float f)
{
    const unsigned short sign = std::signbit(f) ? 0x8000 : 0;
    const float size = std::fabs(f);
    if (std::isnan(f))
        return Half{(unsigned short)(sign | 0x7e00)};
    if (size == 0.f)
        return Half{sign};
    if (size >= 65520.f)
        return Half{(unsigned short)(sign | 0x7c00)};
    int exponent;
    std::frexp(size, &exponent);                              // size in [2^(exponent - 1), 2^exponent)
    const int step = std::max(exponent, -13) - 11;            // weight of the last bit; subnormal below 2^-14
    const unsigned units = (unsigned)std::nearbyint(std::ldexp(size, -step));
    // A carry out of the mantissa runs on into the exponent, as it should.
    return Half{(unsigned short)(sign | (units + ((step + 24) << 10)))};
}
