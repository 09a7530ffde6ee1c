// Included once per instruction set, after its vector type: all kernels, and the table TABLE named NAME.

#include <math.h>

#include "portable_internal.h"

#include "products_template.h"
#include "diagonals_template.h"
#include "vectors_template.h"
#include "activations_template.h"
#include "storage_template.h"
#include "fitting_template.h"

const tessera_kernels TABLE = {
    .name = NAME,
    .product = product,
    .productTransposed = productTransposed,
    .diagonalProduct = diagonalProduct,
    .dot = dot,
    .addScaled = addScaled,
    .multiplyElements = multiplyElements,
    .add = add,
    .addBias = addBias,
    .layerNorm = layerNorm,
    .rmsNorm = rmsNorm,
    .gelu = gelu,
    .geluTanh = geluTanh,
    .siluMultiply = siluMultiply,
    .softmax = softmax,
    .softmaxPart = softmaxPart,
    .rotate = rotate,
    .halfToFloat = halfToFloat,
    .floatToHalf = floatToHalf,
    .bfloatToFloat = bfloatToFloat,
    .floatToBfloat = floatToBfloat,
    .dequantizeRow = dequantizeRow,
    .quantizedProduct = quantizedProduct,
    .nearestCentroids = nearestCentroids,
    .groupError = groupError,
    .relax = relax,
};
