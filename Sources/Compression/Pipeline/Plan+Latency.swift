import ModelFiles

extension Plan {
    /// What was predicted of a plan made under a latency budget; all from the table, so that the same table
    /// gives the same.
    public struct Latency: Sendable, Equatable {
        /// A share of the dense model's time.
        public var target: Double
        /// What one unit of work is: "token", "batch of 64 sentences".
        public var unit: String
        /// Nanoseconds for a unit.
        public var dense: Double
        public var predicted: Double
        /// Nanoseconds of the dense model that are not its products'.
        public var rest: Double
        /// How many times longer than the table's times products are taken to be in this model.
        public var scale: Double
        public var machine: String
        /// Of the times that were looked up.
        public var table: String

        /// The same but for the table's name, which is known where the table is.
        init(_ outcome: LatencyOutcome) {
            let prediction = outcome.prediction
            target = outcome.target
            unit = prediction.workload.unit
            dense = prediction.dense
            predicted = outcome.predicted
            rest = prediction.rest
            scale = prediction.scale * prediction.correction
            machine = prediction.table.machine.description
            table = outcome.table
        }

        init?(json: JSONValue) {
            guard let target = json["target"]?.doubleValue, let unit = json["unit"]?.stringValue,
                let dense = json["dense_nanoseconds"]?.doubleValue,
                let predicted = json["predicted_nanoseconds"]?.doubleValue,
                let rest = json["other_nanoseconds"]?.doubleValue, let scale = json["scale"]?.doubleValue,
                let machine = json["machine"]?.stringValue, let table = json["table"]?.stringValue
            else { return nil }
            (self.target, self.unit, self.dense, self.predicted) = (target, unit, dense, predicted)
            (self.rest, self.scale, self.machine, self.table) = (rest, scale, machine, table)
        }

        var json: JSONValue {
            [
                "target": .number(target), "unit": .string(unit), "dense_nanoseconds": .number(dense),
                "predicted_nanoseconds": .number(predicted), "other_nanoseconds": .number(rest),
                "scale": .number(scale), "machine": .string(machine), "table": .string(table),
            ]
        }
    }
}
