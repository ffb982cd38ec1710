/* The activations of the fused step, value and slope in one pass, and what a slope does to a gradient; see
   _fused_mlp.py. _kernels.c includes this once for float and once for double. The arguments are such as a network has:
   what is beyond them goes to the C library. */

typedef struct {
    T *u, *out; /* u becomes the slope */
} NAMED(activation_job);

static inline T NAMED(polynomial)(const T *c, int n, T x) {
    T sum = c[n - 1];
    _Pragma("GCC unroll 16") for (int k = n - 2; k >= 0; k--) sum = sum * x + c[k];
    return sum;
}

#define POLYNOMIAL(name, x) NAMED(polynomial)(NAMED(name), sizeof NAMED(name) / sizeof(T), x)

/* As 1.5 / eps is added, the nearest whole number stands in the last digits. */
static inline BITS NAMED(digits)(T x) {
    BITS bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* 12 psi of u = 2 c x - 3: with v = |u| it is max(10 - 16 v, min(7 v - 13, (3 - v)_+)). */
static inline T NAMED(bw_relu_and_slope)(T *u) {
    const T x = *u, v = x < 0 ? -x : x, middle = 7 * v - 13, peak = 10 - 16 * v;
    T top = 3 - v, slope = v < 3 ? -1 : 0;
    top = top < 0 ? 0 : top;
    top = middle < top ? middle : top;
    slope = v < 2 ? 7 : slope;
    slope = v < 1 ? -16 : slope;
    slope = x < 0 ? -slope : slope;
    *u = x == 0 ? 0 : slope;
    return peak > top ? peak : top;
}

static inline T NAMED(relu_and_slope)(T *u) {
    const T x = *u;
    *u = x > 0 ? 1 : 0;
    return x < 0 ? 0 : x;
}

/* exp(-u^2) = 2^n e^r, and 0 where that is not a normal number. */
static inline T NAMED(gauss_and_slope)(T *u) {
    const T x = -(*u * *u), shifted = x * (T)1.4426950408889634 + MAGIC, n = shifted - MAGIC;
    const T r = x - n * NAMED(log2)[0] - n * NAMED(log2)[1];
    const BITS bits = (NAMED(digits)(shifted) + EXPONENT) << DIGITS;
    T power;
    __builtin_memcpy(&power, &bits, sizeof power);
    T value = (r * r * POLYNOMIAL(exponential, r) + r + 1) * power;
    value = x < LEAST ? 0 : value;
    *u *= -2 * value;
    return value;
}

/* u = n pi / 2 + r, by three parts of pi / 2: products of n and the first two are exact up to FURTHEST. */
static inline T NAMED(siren_and_slope)(T *u) {
    const T shifted = *u * (T)0.6366197723675814 + MAGIC, n = shifted - MAGIC;
    const T r = *u - n * NAMED(quarter)[0] - n * NAMED(quarter)[1] - n * NAMED(quarter)[2], z = r * r;
    const T sine = r * z * POLYNOMIAL(sine, z) + r, cosine = z * z * POLYNOMIAL(cosine, z) - z * (T)0.5 + 1;
    const BITS turn = NAMED(digits)(shifted);
    const T first = turn & 1 ? cosine : sine, second = turn & 1 ? sine : cosine;
    *u = (turn + 1) & 2 ? -second : second;
    return turn & 2 ? -first : first;
}

ANY_PROCESSOR static void NAMED(siren_loop)(void *given, ptrdiff_t begin, ptrdiff_t end) {
    const NAMED(activation_job) *job = given;
    for (; begin < end; begin += PART) {
        const ptrdiff_t n = end - begin < PART ? end - begin : PART;
        T *restrict u = job->u + begin, *restrict out = job->out + begin;
        int far = 0;
        for (ptrdiff_t i = 0; i < n; i++) far |= !(u[i] < FURTHEST && u[i] > -FURTHEST);
        if (!far)
            for (ptrdiff_t i = 0; i < n; i++) out[i] = NAMED(siren_and_slope)(u + i);
        else
            for (ptrdiff_t i = 0; i < n; i++) {
                out[i] = (T)sin((double)u[i]);
                u[i] = (T)cos((double)u[i]);
            }
    }
}

#define LOOP(name)                                                                                                     \
    ANY_PROCESSOR static void NAMED(name##_loop)(void *given, ptrdiff_t begin, ptrdiff_t end) {                        \
        const NAMED(activation_job) *job = given;                                                                      \
        T *restrict u = job->u, *restrict out = job->out;                                                              \
        for (ptrdiff_t i = begin; i < end; i++) out[i] = NAMED(name##_and_slope)(u + i);                               \
    }
LOOP(bw_relu)
LOOP(relu)
LOOP(gauss)
#undef LOOP

#define ACTIVATION(name)                                                                                               \
    EXPORT void NAMED(relunb_step_##name)(T *u, T *out, ptrdiff_t n, int threads) {                                    \
        NAMED(activation_job) job = {u, out};                                                                          \
        in_chunks(NAMED(name##_loop), &job, n, STEP, threads);                                                         \
    }
ACTIVATION(bw_relu)
ACTIVATION(relu)
ACTIVATION(siren)
ACTIVATION(gauss)
#undef ACTIVATION
#undef POLYNOMIAL

/* gradient *= slope, its sums over SUMMED rows at a time, and the same with rows for columns. */

typedef struct {
    T *gradient, *sums, *flipped; /* (rows, width), (chunks, width), (width, rows) or NULL */
    const T *slope;
    ptrdiff_t rows, width;
} NAMED(weigh_job);

ANY_PROCESSOR static void NAMED(weigh)(void *given, ptrdiff_t begin, ptrdiff_t end) {
    const NAMED(weigh_job) *job = given;
    const ptrdiff_t width = job->width;
    T *restrict sums = job->sums + begin / SUMMED * width;
    for (ptrdiff_t j = 0; j < width; j++) sums[j] = 0;
    for (ptrdiff_t row = begin; row < end; row++) {
        T *restrict g = job->gradient + row * width;
        const T *restrict slope = job->slope + row * width;
        for (ptrdiff_t j = 0; j < width; j++) {
            const T weighed = g[j] * slope[j];
            g[j] = weighed;
            sums[j] += weighed;
        }
    }
    if (!job->flipped) return;
    for (; begin < end; begin += ROWS) { /* few rows at a time: their lines stay in the nearest cache */
        const ptrdiff_t many = end - begin < ROWS ? end - begin : ROWS;
        const T *restrict from = job->gradient + begin * width;
        T *restrict to = job->flipped + begin;
        if (many == ROWS)
            for (ptrdiff_t j = 0; j < width; j++) SAMPLE to[j * job->rows + k] = from[k * width + j];
        else
            for (ptrdiff_t j = 0; j < width; j++)
                for (ptrdiff_t k = 0; k < many; k++) to[j * job->rows + k] = from[k * width + j];
    }
}

EXPORT void NAMED(relunb_step_weigh)(T *gradient, const T *slope, T *sums, T *flipped, ptrdiff_t rows, ptrdiff_t width,
                                     int threads) {
    NAMED(weigh_job) job = {gradient, sums, flipped, slope, rows, width};
    in_chunks(NAMED(weigh), &job, rows, SUMMED, threads);
}
