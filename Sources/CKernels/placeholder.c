#include "CKernels.h"
int tessera_kernels_placeholder(void) { return 0; }
