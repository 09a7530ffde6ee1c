// Included once per instruction set, after its vector type and its integers: the table SPARSE_TABLE named NAME.

#include "unroll.h"

#include "sparse_transpose_template.h"
#include "sparse_nm_template.h"
#include "sparse_nm_few_template.h"
#include "sparse_pairs_template.h"
#include "sparse_slices_template.h"
#include "sparse_groups_template.h"

const tessera_sparse_kernels SPARSE_TABLE = {
    .name = NAME,
    .tileInput = tileInput,
    .nmProduct = nmProduct,
    .pairTile = pairTile,
    .sliceProduct = sliceProduct,
    .groupProduct = groupProduct,
    .groupTile = groupTile,
};
