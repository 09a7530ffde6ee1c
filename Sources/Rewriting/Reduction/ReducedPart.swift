import Tensors

/// The matrix that reads the channels of a feed-forward part or of an attention, y = W x + b, cut into units that go or stay
/// together: single neurons, or all channels of a head (of a key-value head's queries).
public struct ReducedPart: Sendable {
    /// What messages call it: "encoder.layer.0.output.dense".
    public let name: String
    /// outputs x inputs.
    public let weight: DoubleMatrix
    /// Inputs of one unit; units are consecutive.
    public let unitSize: Int
    /// Over the calibration tokens.
    public let moments: InputMoments
    /// The matrices whose rows make the inputs (up and gate, or values), inputs x features: some scores weigh them too.
    public let producers: [DoubleMatrix]

    /// - Throws: `RewritingError.momentsMismatch`, `.invalidUnits`, `.shapeMismatch`, `.notFinite`.
    public init(
        name: String, weight: DoubleMatrix, unitSize: Int, moments: InputMoments, producers: [DoubleMatrix] = []
    ) throws {
        guard moments.count == weight.columns else {
            throw RewritingError.momentsMismatch(part: name, expected: weight.columns, got: moments.count)
        }
        guard unitSize > 0, weight.columns > 0, weight.columns % unitSize == 0 else {
            throw RewritingError.invalidUnits(part: name, inputs: weight.columns, size: unitSize)
        }
        for producer in producers where producer.rows != weight.columns {
            throw RewritingError.shapeMismatch(
                part: name, what: "rows that make its inputs", expected: "\(weight.columns)", got: "\(producer.rows)")
        }
        guard weight.isFinite else { throw RewritingError.notFinite(part: name, what: "the weight") }
        guard moments.isFinite else { throw RewritingError.notFinite(part: name, what: "the calibration input") }
        self.name = name
        self.weight = weight
        self.unitSize = unitSize
        self.moments = moments
        self.producers = producers
    }

    public var units: Int { weight.columns / unitSize }

    /// The inputs of some units, ascending.
    public func inputs(of units: [Int]) -> [Int] {
        units.sorted().flatMap { $0 * unitSize..<($0 + 1) * unitSize }
    }

    /// Sum over each unit's inputs.
    func summed(_ values: [Double]) -> [Double] {
        (0..<units).map { unit in values[unit * unitSize..<(unit + 1) * unitSize].reduce(0, +) }
    }

    /// E |W x - (W' x_kept + offset)|^2 over the calibration tokens. Cost: outputs x inputs^2 multiply-adds.
    public func error(of reduced: Compensation.Result) -> Double {
        // The reduced matrix as one that reads all inputs.
        var difference = weight
        for (position, input) in reduced.inputs.enumerated() {
            for row in 0..<weight.rows { difference[row, input] -= reduced.weight[row, position] }
        }
        let constant = (0..<weight.rows).map { row in
            -(reduced.offset.map { $0[row] } ?? 0)
        }
        var error = 0.0
        let seen = difference.multiplied(by: moments.second)
        for row in 0..<weight.rows {
            var mean = 0.0
            for column in 0..<weight.columns {
                error += seen[row, column] * difference[row, column]
                mean += difference[row, column] * moments.mean[column]
            }
            error += 2 * constant[row] * mean + constant[row] * constant[row]
        }
        return max(0, error)
    }
}
