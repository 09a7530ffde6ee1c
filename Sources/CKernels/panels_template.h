// Included once per instruction set, after its vector type: products with packed panels, and the table TABLE named NAME.

#include "panels_internal.h"
#include "unroll.h"

#include "panels_tile_template.h"
#include "panels_product_template.h"
#if defined(PANEL_PAIRS)
#include "panels_pairs_template.h"
#endif
#include "panels_grid_template.h"

const tessera_panel_kernels TABLE = {
    .name = NAME,
    .product = panelProduct,
#if defined(PANEL_PAIRS)
    .bfloatProduct = bfloatProduct,
#endif
    .diagonalGrid = diagonalGrid,
};
