import Fitting
import ModelFiles
import StructuredMatrices

extension MatrixComparison.Result {
    /// Everything the table says, and what fixes it.
    package var json: JSONValue {
        var object = JSONObject()
        object["matrix"] = .string(subject.name)
        object["shape"] = [JSONValue(integer: subject.shape.rows), JSONValue(integer: subject.shape.columns)]
        object["objective"] = .string(comparison.objective.rawValue)
        object["calibration"] = subject.calibration.map { .string($0) } ?? .null
        object["precision"] = .string(comparison.precision.rawValue)
        object["seed"] = .string(String(comparison.seed))
        object["threads"] = JSONValue(integer: threads)
        object["processor"] = .string(processor)
        object["dense"] = .object(costs(dense, denseSeconds.enumerated().map { Self.time($1, batch: comparison.batches[$0]) }))
        object["methods"] = .array(rows.map { .object(json($0)) })
        object["unfitted_families"] = .array(SizedMethod.unfitted.map { .string($0.name) })
        return .object(object)
    }

    private func json(_ row: MatrixComparison.Row) -> JSONObject {
        var object: JSONObject
        switch row.outcome {
        case .refused(let reason):
            object = JSONObject()
            object["reason"] = .string(reason)
        case .fitted(let fitted):
            let times = zip(comparison.batches, fitted.times).map { batch, time in
                Self.time(time.seconds, batch: batch, timesDense: time.timesDense, isSlower: time.isSlower)
            }
            object = costs(fitted.matrix.cost, times)
            var errors = JSONObject()
            for (kind, error) in zip(objectives, fitted.errors) { errors[kind.rawValue] = .number(error) }
            object["relative_errors"] = .object(errors)
            object["fit_seconds"] = .number(fitted.seconds)
            object["sweeps"] = JSONValue(integer: fitted.sweeps)
            object["refinement"] = fitted.refinement.map { .string($0) } ?? .null
            object["attributes"] = FamilyDescription.attributes(fitted.matrix)
        }
        var whole = JSONObject()
        whole["fitter"] = .string(row.method.name)
        whole["family"] = .string(row.method.family.name)
        whole["size"] = .string(row.size.text)
        whole["serves_objective"] = .bool(row.servesObjective)
        for (key, value) in object { whole[key] = value }
        return whole
    }

    private func costs(_ cost: Cost, _ times: [JSONValue]) -> JSONObject {
        var object = JSONObject()
        object["parameters"] = JSONValue(integer: cost.parameters)
        object["bytes"] = JSONValue(integer: cost.storedBytes)
        object["multiply_adds"] = JSONValue(integer: cost.multiplyAdds)
        object["products"] = .array(times)
        return object
    }

    private static func time(_ seconds: Double, batch: Int, timesDense: Double = 1, isSlower: Bool = false) -> JSONValue {
        [
            "batch": JSONValue(integer: batch), "seconds": .number(seconds), "times_dense": .number(timesDense),
            "slower_than_dense": .bool(isSlower),
        ]
    }
}

extension JSONValue {
    init(integer: Int) { self = .integer(Int64(integer)) }
}

extension MatrixComparison.Result {
    /// The weight, and what every method made of it, multiplied out: "weight", "activation-svd 50 % of bytes".
    package var arrays: [(name: String, array: NumPyArray)] {
        [("weight", NumPyArray(subject.weight))]
            + rows.compactMap { row in
                row.outcome.fitted.map { ("\(row.method.name) \(row.size.text)", NumPyArray($0.matrix.dense())) }
            }
    }
}
