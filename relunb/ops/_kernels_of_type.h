/* The kernels for numbers of type T. _kernels.c includes this once for float and once for double. */

/* ------------------------------------------------------------------------------------------------------- psi
   With t = |c x - 3/2|, 12 psi = max(10 - 32 t, min(14 t - 13, (3 - 2 t)_+)). */

typedef struct {
    const T *x, *gradient; /* same: the gradient is one number, for all */
    T *out;
    T scale;
    int same;
    double *sums; /* of gradient psi' x, one a chunk, or NULL */
} NAMED(psi_job);

ANY_PROCESSOR static void NAMED(psi_values)(void *given, ptrdiff_t begin, ptrdiff_t end) {
    const NAMED(psi_job) *job = given;
    const T *restrict x = job->x;
    T *restrict out = job->out;
    const T c = job->scale, twelfth = (T)(1.0 / 12);
    for (ptrdiff_t i = begin; i < end; i++) {
        T u = c * x[i] - (T)1.5, t = u < 0 ? -u : u;
        T top = 3 - 2 * t, middle = 14 * t - 13, peak = 10 - 32 * t;
        top = top < 0 ? 0 : top;
        top = middle < top ? middle : top;
        top = peak > top ? peak : top;
        out[i] = top * twelfth;
    }
}

static inline T NAMED(psi_slope)(T u) {
    const T t = u < 0 ? -u : u;
    T w = t < (T)1.5 ? (T)(-1.0 / 6) : 0;
    w = t < 1 ? (T)(7.0 / 6) : w;
    w = t < (T)0.5 ? (T)(-8.0 / 3) : w;
    w = u < 0 ? -w : w;
    return u == 0 ? 0 : w;
}

ANY_PROCESSOR static void NAMED(psi_gradient)(void *given, ptrdiff_t begin, ptrdiff_t end) {
    const NAMED(psi_job) *job = given;
    const T c = job->scale;
    double total = 0, *sum = job->sums ? job->sums + begin / CHUNK : NULL;
    T same[PART];
    for (ptrdiff_t i = 0; i < PART && job->same; i++) same[i] = *job->gradient;
    for (; begin < end; begin += PART) {
        const ptrdiff_t n = end - begin < PART ? end - begin : PART;
        const T *restrict x = job->x + begin, *restrict g = job->same ? same : job->gradient + begin;
        T *restrict out = job->out + begin;
        if (!sum) {
            for (ptrdiff_t i = 0; i < n; i++) out[i] = NAMED(psi_slope)(c * x[i] - (T)1.5) * g[i] * c;
            continue;
        }
        T product[PART], lanes[LANES] = {0};
        for (ptrdiff_t i = 0; i < n; i++) {
            const T w = NAMED(psi_slope)(c * x[i] - (T)1.5) * g[i];
            product[i] = w * x[i];
            out[i] = w * c;
        }
        for (ptrdiff_t i = n; i < PART; i++) product[i] = 0;
        for (ptrdiff_t i = 0; i < PART; i += LANES)
            for (int k = 0; k < LANES; k++) lanes[k] += product[i + k];
        for (int k = 0; k < LANES; k++) total += (double)lanes[k];
    }
    if (sum) *sum = total;
}

EXPORT void NAMED(relunb_psi)(const T *x, T *out, ptrdiff_t n, double scale, int threads) {
    NAMED(psi_job) job = {x, NULL, out, (T)scale, 0, NULL};
    in_chunks(NAMED(psi_values), &job, n, CHUNK, threads);
}

EXPORT void NAMED(relunb_psi_gradient)(const T *x, const T *gradient, int same, T *out, ptrdiff_t n, double scale,
                                       double *sums, int threads) {
    NAMED(psi_job) job = {x, gradient, out, (T)scale, same, sums};
    in_chunks(NAMED(psi_gradient), &job, n, CHUNK, threads);
}

/* --------------------------------------------------------------------------------- means of ReLU, cell by cell
   With P = a_+ + b_+ and S = |a| + |b| the mean is r P / 2, r = P / S; see _relu_cell_means.py. */

typedef struct {
    const T *x, *gradient;
    T *out;
    ptrdiff_t width;
    int same;
} NAMED(cells_job);

ANY_PROCESSOR static void NAMED(cell_values)(void *given, ptrdiff_t begin, ptrdiff_t end) {
    const NAMED(cells_job) *job = given;
    const ptrdiff_t cells = job->width - 1;
    for (ptrdiff_t row = begin; row < end; row++) {
        const T *restrict x = job->x + row * job->width;
        T *restrict out = job->out + row * cells;
        for (ptrdiff_t i = 0; i < cells; i++) {
            const T a = x[i] * (T)0.5, b = x[i + 1] * (T)0.5;
            const T p = (a < 0 ? 0 : a) + (b < 0 ? 0 : b), s = (a < 0 ? -a : a) + (b < 0 ? -b : b);
            out[i] = p / (s < SMALLEST ? SMALLEST : s) * p;
        }
    }
}

ANY_PROCESSOR static void NAMED(cell_gradient)(void *given, ptrdiff_t begin, ptrdiff_t end) {
    const NAMED(cells_job) *job = given;
    const ptrdiff_t width = job->width;
    T same[PART];
    for (ptrdiff_t i = 0; i < PART && job->same; i++) same[i] = *job->gradient;
    for (ptrdiff_t row = begin; row < end; row++) {
        const T *restrict x = job->x + row * width;
        T *restrict out = job->out + row * width;
        T more[PART + 1], both[PART + 1]; /* of the cells from first - 1 on: g (r - r^2) and g r^2 / 2 */
        more[0] = both[0] = 0;
        for (ptrdiff_t first = 0; first < width; first += PART) {
            const ptrdiff_t nodes = width - first < PART ? width - first : PART;
            const ptrdiff_t cells = width - 1 - first < nodes ? width - 1 - first : nodes;
            const T *restrict g = job->same ? same : job->gradient + row * (width - 1) + first;
            for (ptrdiff_t i = 0; i < cells; i++) {
                const T a = x[first + i] * (T)0.5, b = x[first + i + 1] * (T)0.5;
                const T p = (a < 0 ? 0 : a) + (b < 0 ? 0 : b), s = (a < 0 ? -a : a) + (b < 0 ? -b : b);
                const T r = p / (s < SMALLEST ? SMALLEST : s), q = g[i] * r, h = q * r;
                more[i + 1] = q - h;
                both[i + 1] = h * (T)0.5;
            }
            if (cells < nodes) more[nodes] = both[nodes] = 0;
            for (ptrdiff_t i = 0; i < nodes; i++) {
                const T active = more[i] + more[i + 1];
                out[first + i] = (x[first + i] > 0 ? active : 0) + (both[i] + both[i + 1]);
            }
            more[0] = more[nodes];
            both[0] = both[nodes];
        }
    }
}

EXPORT void NAMED(relunb_cell_means)(const T *x, T *out, ptrdiff_t rows, ptrdiff_t width, int threads) {
    NAMED(cells_job) job = {x, NULL, out, width, 0};
    in_chunks(NAMED(cell_values), &job, rows, CHUNK / width + 1, threads);
}

EXPORT void NAMED(relunb_cell_means_gradient)(const T *x, const T *gradient, int same, T *out, ptrdiff_t rows,
                                              ptrdiff_t width, int threads) {
    NAMED(cells_job) job = {x, gradient, out, width, same};
    in_chunks(NAMED(cell_gradient), &job, rows, CHUNK / width + 1, threads);
}

/* ------------------------------------------- integrals of a linear state's ReLU times constants, on cells of any mesh
   As above, with a and b between the nodes and each cell's integral added to some outputs; see _linear_cells.py. ROWS
   samples at a time lie side by side, those of one node in a row: nothing is gathered, and no two add to one place. */

typedef struct {
    const T *x, *gradient;
    T *out;
    const ptrdiff_t *left, *target; /* (cells,), (layers, cells) */
    const T *start, *stop, *from_start, *from_stop, *weights; /* (cells,) each, and (layers, cells) */
    ptrdiff_t rows, nodes, cells, layers, outputs;
} NAMED(linear_job);

static inline ptrdiff_t NAMED(side_by_side)(const T *x, T *to, ptrdiff_t begin, ptrdiff_t rows, ptrdiff_t width,
                                            T factor) {
    const ptrdiff_t many = rows - begin < ROWS ? rows - begin : ROWS;
    for (ptrdiff_t l = 0; l < ROWS; l++)
        for (ptrdiff_t i = 0; i < width; i++) to[i * ROWS + l] = l < many ? x[(begin + l) * width + i] * factor : 0;
    return many;
}

static inline void NAMED(one_by_one)(const T *from, T *out, ptrdiff_t begin, ptrdiff_t many, ptrdiff_t width) {
    for (ptrdiff_t l = 0; l < many; l++)
        for (ptrdiff_t i = 0; i < width; i++) out[(begin + l) * width + i] = from[i * ROWS + l];
}

ANY_PROCESSOR static void NAMED(linear_values)(void *given, ptrdiff_t begin, ptrdiff_t end) {
    const NAMED(linear_job) *job = given;
    const ptrdiff_t nodes = job->nodes, cells = job->cells, outputs = job->outputs;
    T x[nodes * ROWS], y[outputs * ROWS];
    for (ptrdiff_t row = begin * ROWS; row < end * ROWS; row += ROWS) {
        const ptrdiff_t many = NAMED(side_by_side)(job->x, x, row, job->rows, nodes, (T)0.5);
        for (ptrdiff_t i = 0; i < outputs * ROWS; i++) y[i] = 0;
        for (ptrdiff_t c = 0; c < cells; c++) {
            const T *restrict l = x + job->left[c] * ROWS, *restrict r = l + ROWS;
            const T start = job->start[c], stop = job->stop[c];
            const T from_start = job->from_start[c], from_stop = job->from_stop[c];
            T mean[ROWS];
            SAMPLE {
                const T a = l[k] * from_start + r[k] * start, b = l[k] * from_stop + r[k] * stop;
                const T p = (a < 0 ? 0 : a) + (b < 0 ? 0 : b), s = (a < 0 ? -a : a) + (b < 0 ? -b : b);
                mean[k] = p / (s < SMALLEST ? SMALLEST : s) * p;
            }
            for (ptrdiff_t i = c; i < job->layers * cells; i += cells) {
                T *restrict to = y + job->target[i] * ROWS;
                const T weight = job->weights[i];
                SAMPLE to[k] += mean[k] * weight;
            }
        }
        NAMED(one_by_one)(y, job->out, row, many, outputs);
    }
}

ANY_PROCESSOR static void NAMED(linear_gradient)(void *given, ptrdiff_t begin, ptrdiff_t end) {
    const NAMED(linear_job) *job = given;
    const ptrdiff_t nodes = job->nodes, cells = job->cells, outputs = job->outputs;
    T x[nodes * ROWS], g[outputs * ROWS], out[nodes * ROWS];
    for (ptrdiff_t row = begin * ROWS; row < end * ROWS; row += ROWS) {
        const ptrdiff_t many = NAMED(side_by_side)(job->x, x, row, job->rows, nodes, (T)0.5);
        NAMED(side_by_side)(job->gradient, g, row, job->rows, outputs, (T)0.5);
        for (ptrdiff_t i = 0; i < nodes * ROWS; i++) out[i] = 0;
        for (ptrdiff_t c = 0; c < cells; c++) {
            const T *restrict l = x + job->left[c] * ROWS, *restrict r = l + ROWS;
            T *restrict to_l = out + job->left[c] * ROWS, *restrict to_r = to_l + ROWS;
            const T start = job->start[c], stop = job->stop[c];
            const T from_start = job->from_start[c], from_stop = job->from_stop[c];
            T w[ROWS] = {0};
            for (ptrdiff_t i = c; i < job->layers * cells; i += cells) {
                const T *restrict of = g + job->target[i] * ROWS;
                const T weight = job->weights[i];
                SAMPLE w[k] += of[k] * weight;
            }
            SAMPLE { /* not_lo + not_hi and lo + hi are the share, or 2 less it where a, or b, is positive */
                const T a = l[k] * from_start + r[k] * start, b = l[k] * from_stop + r[k] * stop;
                const T p = (a < 0 ? 0 : a) + (b < 0 ? 0 : b), s = (a < 0 ? -a : a) + (b < 0 ? -b : b);
                const T share = p / (s < SMALLEST ? SMALLEST : s), half = share * w[k], more = 2 - share;
                const T da = half * (a > 0 ? more : share), db = half * (b > 0 ? more : share);
                to_l[k] += da * from_start + db * from_stop;
                to_r[k] += da * start + db * stop;
            }
        }
        NAMED(one_by_one)(out, job->out, row, many, nodes);
    }
}

EXPORT void NAMED(relunb_linear_cells)(const T *x, const T *gradient, T *out, const ptrdiff_t *left,
                                       const ptrdiff_t *target, const T *start, const T *stop, const T *from_start,
                                       const T *from_stop, const T *weights, ptrdiff_t rows, ptrdiff_t nodes,
                                       ptrdiff_t cells, ptrdiff_t layers, ptrdiff_t outputs, int threads) {
    NAMED(linear_job)
    job = {x, gradient, out, left, target, start, stop, from_start, from_stop, weights,
           rows, nodes, cells, layers, outputs};
    const ptrdiff_t chunk = CHUNK / (ROWS * nodes) + 1;
    in_chunks(gradient ? NAMED(linear_gradient) : NAMED(linear_values), &job, (rows + ROWS - 1) / ROWS, chunk, threads);
}
