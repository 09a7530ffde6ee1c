import ModelFiles

extension LatencyOutcome {
    /// What was predicted and what was measured, for a terminal; one line each.
    public var text: String {
        var lines = [
            "latency   predicted \(Self.percent(predictedShare)) of dense, "
                + "asked for \(Self.percent(target)), for a \(prediction.workload.unit)"
        ]
        guard let measured else {
            lines.append("          not measured: the table is of another machine")
            return lines.joined(separator: "\n")
        }
        lines.append(
            "          measured \(Self.percent(measured.ratio)) of dense "
                + "(half the rounds \(Self.percent(measured.ratioLower)) to "
                + "\(Self.percent(measured.ratioUpper))): "
                + LatencyPrediction.text(measured.dense) + " -> "
                + LatencyPrediction.text(measured.compressed)
        )
        if misses == true {
            lines.append(
                "          this misses the target by more than \(Self.percent(LatencyGoal.tolerance)), after "
                    + "\(corrections) \(corrections == 1 ? "correction" : "corrections")")
        }
        return lines.joined(separator: "\n")
    }

    /// For the file of timings beside an output: what was measured differs from run to run.
    public var json: JSONValue {
        var object = JSONObject()
        object["target"] = .number(target)
        object["unit"] = .string(prediction.workload.unit)
        object["predicted"] = [
            "dense_nanoseconds": .number(prediction.dense), "compressed_nanoseconds": .number(predicted),
            "share": .number(predictedShare),
        ]
        if let measured {
            object["measured"] = [
                "dense_nanoseconds": .number(measured.dense),
                "compressed_nanoseconds": .number(measured.compressed),
                "share": .number(measured.ratio), "share_lower_quartile": .number(measured.ratioLower),
                "share_upper_quartile": .number(measured.ratioUpper),
            ]
        }
        object["corrections"] = .integer(Int64(corrections))
        object["correction"] = .number(prediction.correction)
        object["table"] = .string(table)
        return .object(object)
    }

    private static func percent(_ share: Double) -> String { "\((100 * share).shortened) %" }
}
