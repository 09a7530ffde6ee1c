import Tensors

// The same matrix with other numbers in the places that are kept, for refits.

extension Quantized {
    /// rows x ceil(columns / groupSize).
    package var scaleValues: [Float] { scales.map(HalfFloat.value(of:)) }

    /// The same codes under other scales, rounded to binary16.
    /// - Precondition: as many as there are.
    package func replacingScales(_ scales: [Float]) -> Self { Self(self, scales: scales.map(HalfFloat.bits(of:))) }

    private init(_ other: Self, scales: [UInt16]) {
        precondition(scales.count == other.scales.count)
        (shape, bits, groupSize, codes) = (other.shape, other.bits, other.groupSize, other.codes)
        self.scales = scales
    }
}

extension AsymmetricQuantized {
    /// rows x ceil(columns / groupSize).
    package var scaleValues: [Float] { scales.map(HalfFloat.value(of:)) }

    /// The same codes and zero points under other scales, rounded to binary16.
    /// - Precondition: as many as there are.
    package func replacingScales(_ scales: [Float]) -> Self { Self(self, scales: scales.map(HalfFloat.bits(of:))) }

    private init(_ other: Self, scales: [UInt16]) {
        precondition(scales.count == other.scales.count)
        (shape, bits, groupSize, codes, zeros) = (other.shape, other.bits, other.groupSize, other.codes, other.zeros)
        self.scales = scales
    }
}

extension NMSparse {
    /// Other values in the same places, rounded as these are.
    /// - Precondition: as many as there are.
    package func replacingValues(_ values: [Float]) -> Self { Self(self, values: self.values.replacing(values)) }

    private init(_ other: Self, values: Factor) {
        (shape, kept, group, places) = (other.shape, other.kept, other.group, other.places)
        self.values = values
    }
}

extension GroupSparse {
    /// Other values in the same places, rounded as these are.
    /// - Precondition: as many as there are.
    package func replacingValues(_ values: [Float]) -> Self { Self(self, values: self.values.replacing(values)) }

    private init(_ other: Self, values: Factor) {
        (shape, tile, kept, columns) = (other.shape, other.tile, other.kept, other.columns)
        self.values = values
    }
}

extension CompressedSparseRows {
    /// Other values in the same places, rounded as these are.
    /// - Precondition: as many as there are.
    package func replacingValues(_ values: [Float]) -> Self {
        Self(shape: shape, offsets: offsets, columns: columns, values: self.values.replacing(values))
    }
}
