// What LinearAlgebra needs of OpenBLAS and of the LAPACK inside it, as by-value wrappers: Swift's
// exclusivity rule forbids passing one variable twice by reference, which Fortran interfaces ask for.
#ifndef TESSERA_COPENBLAS_SHIM_H
#define TESSERA_COPENBLAS_SHIM_H

#include <cblas.h>

extern char *openblas_get_corename(void);

#define TESSERA_LAPACK(T, p)                                                                            \
    extern void p##potrf_(const char *, const int *, T *, const int *, int *);                          \
    extern void p##syevd_(const char *, const char *, const int *, T *, const int *, T *, T *,          \
                          const int *, int *, const int *, int *);                                      \
    extern void p##gesdd_(const char *, const int *, const int *, T *, const int *, T *, T *,           \
                          const int *, T *, const int *, T *, const int *, int *, int *);               \
    extern void p##geqrf_(const int *, const int *, T *, const int *, T *, T *, const int *, int *);    \
    extern void p##orgqr_(const int *, const int *, const int *, T *, const int *, const T *, T *,      \
                          const int *, int *);                                                          \
    static inline int tessera_##p##potrf(char uplo, int n, T *a, int lda) {                             \
        int info = 0;                                                                                   \
        p##potrf_(&uplo, &n, a, &lda, &info);                                                           \
        return info;                                                                                    \
    }                                                                                                   \
    static inline int tessera_##p##syevd(char jobz, char uplo, int n, T *a, int lda, T *w, T *work,     \
                                         int lwork, int *iwork, int liwork) {                           \
        int info = 0;                                                                                   \
        p##syevd_(&jobz, &uplo, &n, a, &lda, w, work, &lwork, iwork, &liwork, &info);                   \
        return info;                                                                                    \
    }                                                                                                   \
    static inline int tessera_##p##gesdd(char jobz, int m, int n, T *a, int lda, T *s, T *u, int ldu,   \
                                         T *vt, int ldvt, T *work, int lwork, int *iwork) {             \
        int info = 0;                                                                                   \
        p##gesdd_(&jobz, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, work, &lwork, iwork, &info);           \
        return info;                                                                                    \
    }                                                                                                   \
    static inline int tessera_##p##geqrf(int m, int n, T *a, int lda, T *tau, T *work, int lwork) {     \
        int info = 0;                                                                                   \
        p##geqrf_(&m, &n, a, &lda, tau, work, &lwork, &info);                                           \
        return info;                                                                                    \
    }                                                                                                   \
    static inline int tessera_##p##orgqr(int m, int n, int k, T *a, int lda, const T *tau, T *work,     \
                                         int lwork) {                                                   \
        int info = 0;                                                                                   \
        p##orgqr_(&m, &n, &k, a, &lda, tau, work, &lwork, &info);                                       \
        return info;                                                                                    \
    }

TESSERA_LAPACK(float, s)
TESSERA_LAPACK(double, d)

#undef TESSERA_LAPACK

#endif
