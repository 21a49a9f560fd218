/* The five texture matrices of a discretised region in one pass over its voxels.
 *
 * What: counts of grey-level co-occurrence (GLCM), runs (GLRLM), zones (GLSZM), dependence (GLDM)
 * and neighbourhood difference (NGTDM), by their definitions in the IBSI reference manual
 * (Zwanenburg et al., arXiv:1612.07003, sections 3.6 to 3.11), at distance 1. The caller turns
 * counts into features. It allocates everything: nothing here frees, grows or keeps memory.
 *
 * Levels come as int32 with a border of zeros around the box, so that no neighbour needs a check.
 * Integer counts cannot depend on the order they are made in; the one sum of fractions (NGTDM)
 * runs over voxels in C order.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>

typedef struct {
    const int32_t *levels;   /* padded box, 0 outside the region */
    const int32_t *voxels;   /* places of the region in it, ascending */
    Py_ssize_t count;        /* of voxels */
    const int32_t *steps;    /* one of every pair of opposite directions, as a distance in memory */
    Py_ssize_t directions;
    Py_ssize_t grey, longest;
} Region;

static void count_neighbours(const Region *r, int64_t *glcm, int64_t *gldm, double *ngtdm)
{
    const Py_ssize_t columns = 2 * r->directions + 1;
    for (Py_ssize_t n = 0; n < r->count; n++) {
        const int32_t *here = r->levels + r->voxels[n];
        const int32_t level = *here;
        Py_ssize_t alike = 0, present = 0;
        int64_t sum = 0;
        for (Py_ssize_t d = 0; d < r->directions; d++) {
            const int32_t ahead = here[r->steps[d]], behind = here[-r->steps[d]];
            if (ahead)
                glcm[(d * r->grey + level - 1) * r->grey + ahead - 1]++;
            alike += (ahead == level) + (behind == level);
            present += (ahead != 0) + (behind != 0);
            sum += (int64_t)ahead + behind;
        }
        gldm[(level - 1) * columns + alike]++;
        ngtdm[2 * (level - 1)]++;
        if (present)
            ngtdm[2 * (level - 1) + 1] += fabs((double)level - (double)sum / (double)present);
    }
}

/* 0 where a run is longer than the table is wide. */
static int count_runs(const Region *r, int64_t *glrlm)
{
    for (Py_ssize_t d = 0; d < r->directions; d++) {
        int64_t *runs = glrlm + d * r->grey * r->longest;
        const int32_t step = r->steps[d];
        for (Py_ssize_t n = 0; n < r->count; n++) {
            const int32_t *here = r->levels + r->voxels[n];
            const int32_t level = *here;
            if (here[-step] == level)
                continue; /* not where the run starts */
            Py_ssize_t length = 1;
            for (here += step; *here == level; here += step)
                length++;
            if (length > r->longest)
                return 0;
            runs[(level - 1) * r->longest + length - 1]++;
        }
    }
    return 1;
}

static int32_t root_of(int32_t *parent, int32_t place)
{
    while (parent[place] != place) {
        parent[place] = parent[parent[place]];
        place = parent[place];
    }
    return place;
}

/* `parent` has a cell a voxel of the padded box; `sizes` one too, and holds zone sizes at roots. */
static void find_zones(const Region *r, int32_t *parent, int32_t *sizes)
{
    for (Py_ssize_t n = 0; n < r->count; n++)
        parent[r->voxels[n]] = r->voxels[n];
    for (Py_ssize_t n = 0; n < r->count; n++) {
        const int32_t place = r->voxels[n];
        int32_t root = root_of(parent, place);
        for (Py_ssize_t d = 0; d < r->directions; d++) {
            const int32_t ahead = place + r->steps[d];
            if (r->levels[ahead] != r->levels[place])
                continue;
            const int32_t other = root_of(parent, ahead);
            if (other < root) {
                parent[root] = other;
                root = other;
            } else {
                parent[other] = root;
            }
        }
    }
    for (Py_ssize_t n = 0; n < r->count; n++)
        sizes[root_of(parent, r->voxels[n])]++;
}

static int fits(const Py_buffer *view, Py_ssize_t items, Py_ssize_t size, const char *name)
{
    if (view->len == items * size)
        return 1;
    PyErr_Format(PyExc_ValueError, "%s has %zd bytes, expected %zd", name, view->len, items * size);
    return 0;
}

/* Every read and write stays inside: the places are all that is not 0, in ascending order, levels
 * are in range, and a largest step from a place ends in the box. So a walk over equal levels goes
 * from place to place. */
static int is_safe(const Region *r, Py_ssize_t box)
{
    Py_ssize_t reach = 0, filled = 0;
    for (Py_ssize_t d = 0; d < r->directions; d++) {
        if (r->steps[d] <= 0)
            return 0;
        reach = r->steps[d] > reach ? r->steps[d] : reach;
    }
    for (Py_ssize_t n = 0; n < box; n++)
        filled += r->levels[n] != 0;
    if (filled != r->count)
        return 0;
    for (Py_ssize_t n = 0; n < r->count; n++) {
        const Py_ssize_t place = r->voxels[n];
        if (place < reach || place >= box - reach || (n && place <= r->voxels[n - 1]) ||
            r->levels[place] < 1 || r->levels[place] > r->grey)
            return 0;
    }
    return 1;
}

static PyObject *count(PyObject *module, PyObject *arguments)
{
    Py_buffer v[9];
    Region r;
    PyObject *result = NULL;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y*y*y*nnw*w*w*w*w*w*", &v[0], &v[1], &v[2], &r.grey,
                          &r.longest, &v[3], &v[4], &v[5], &v[6], &v[7], &v[8]))
        return NULL;
    int complete;
    const Py_ssize_t box = v[0].len / (Py_ssize_t)sizeof(int32_t);
    r.levels = v[0].buf;
    r.voxels = v[1].buf;
    r.steps = v[2].buf;
    r.count = v[1].len / (Py_ssize_t)sizeof(int32_t);
    r.directions = v[2].len / (Py_ssize_t)sizeof(int32_t);
    if (!fits(&v[3], r.directions * r.grey * r.grey, 8, "glcm") ||
        !fits(&v[4], r.directions * r.grey * r.longest, 8, "glrlm") ||
        !fits(&v[5], r.grey * (2 * r.directions + 1), 8, "gldm") ||
        !fits(&v[6], r.grey * 2, 8, "ngtdm") || !fits(&v[7], box, 4, "parent") ||
        !fits(&v[8], box, 4, "sizes"))
        goto done;
    if (!is_safe(&r, box)) {
        PyErr_SetString(PyExc_ValueError, "levels need a border of zeros and a range of 1 to grey");
        goto done;
    }
    Py_BEGIN_ALLOW_THREADS
    count_neighbours(&r, v[3].buf, v[5].buf, v[6].buf);
    complete = count_runs(&r, v[4].buf);
    find_zones(&r, v[7].buf, v[8].buf);
    Py_END_ALLOW_THREADS
    if (!complete) {
        PyErr_SetString(PyExc_ValueError, "a run is longer than the longest that was announced");
        goto done;
    }
    result = Py_NewRef(Py_None);
done:
    for (int i = 0; i < 9; i++)
        PyBuffer_Release(&v[i]);
    return result;
}

static PyMethodDef methods[] = {
    {"count", count, METH_VARARGS,
     "count(levels, voxels, steps, grey, longest, glcm, glrlm, gldm, ngtdm, parent, sizes)"},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_kernel", "Texture matrices of a discretised region.", -1, methods,
    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModule_Create(&definition); }
