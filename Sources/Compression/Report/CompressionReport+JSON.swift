import ModelFiles

extension CompressionReport {
    /// The report as `report.json` holds it.
    public var json: JSONValue {
        var recipe = JSONObject()
        for (name, value) in self.recipe { recipe[name] = .string(value) }
        return [
            "model": .string(modelName),
            "architecture": .string(architecture),
            "recipe": .object(recipe),
            "selected": [
                "bytes_f16": .integer(Int64(selectedBytesInF16)),
                "bytes": .integer(Int64(selectedBytes)),
                "multiply_adds_dense": .integer(Int64(selectedMultiplyAddsDense)),
                "multiply_adds": .integer(Int64(selectedMultiplyAdds)),
            ],
            "untouched": ["tensors": .integer(Int64(untouchedTensors)), "bytes": .integer(Int64(untouchedBytes))],
            "weight_files": ["bytes_before": .integer(Int64(fileBytesBefore)), "bytes_after": .integer(Int64(fileBytesAfter))],
            "quality": [
                "measured_on": .string(qualityText),
                "figures": .array(quality.map(\.json)),
            ],
            CalibrationFingerprints.key: calibrationFingerprints?.json ?? .null,
            "allocation": .array(allocationNotes.map { .string($0) }),
            "matrices": .array(matrices.map(\.json)),
        ]
    }
}

extension CompressionReport.QualityRow {
    var json: JSONValue {
        [
            "name": .string(name), "dense": dense.map { .number($0) } ?? .null, "compressed": .number(compressed),
            "standard_error": standardError.map { .number($0) } ?? .null,
        ]
    }
}

extension CompressionReport.MatrixRow {
    var json: JSONValue {
        var curves = JSONObject()
        for (family, points) in self.curves { curves[family] = .array(points.map(\.json)) }
        return [
            "name": .string(name),
            "shape": [.integer(Int64(shape.rows)), .integer(Int64(shape.columns))],
            "role": .string(role),
            "family": family.map { .string($0) } ?? .null,
            "candidate": candidate.map { .string($0) } ?? .null,
            "reason": reason.map { .string($0) } ?? .null,
            "parameters": .integer(Int64(cost.parameters)),
            "bytes": .integer(Int64(cost.storedBytes)),
            "multiply_adds": .integer(Int64(cost.multiplyAdds)),
            "source_bytes": .integer(Int64(sourceBytes)),
            "relative_error": .number(relativeError),
            "sensitivity": .number(sensitivity),
            "spectrum": .array(spectrum.map { .number($0) }),
            "curves": .object(curves),
        ]
    }
}

extension CompressionReport.CurvePoint {
    var json: JSONValue {
        [
            "candidate": .string(label), "bytes": .integer(Int64(storedBytes)),
            "multiply_adds": .integer(Int64(multiplyAdds)), "relative_error": .number(relativeError),
        ]
    }
}
