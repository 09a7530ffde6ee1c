#ifndef TESSERA_CKERNELS_H
#define TESSERA_CKERNELS_H
int tessera_kernels_placeholder(void);
#endif
