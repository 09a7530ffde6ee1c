import LinearAlgebra
import ModelFiles
import Tensors

/// What a journal keeps as matrices of doubles.
protocol JournaledMatrices {
    var journaled: [(name: String, matrix: DoubleMatrix)] { get }
    /// Nil where they are not of the form that `journaled` has.
    init?(journaled: [String: DoubleMatrix])
}

extension Journal? {
    /// What `make` gives, or gave before the run was stopped: the same bits. Without a journal it is made.
    /// - Parameter isFit: whether what was found is of the sizes that `make` would give.
    /// - Throws: `CompressionError.journalUnreadable`, `.journalNotWritable`; what `make` throws.
    func kept<Value: JournaledMatrices>(
        _ key: String, isFit: (Value) -> Bool = { _ in true }, make: () throws -> Value
    ) throws -> Value {
        guard let journal = self else { return try make() }
        if let found = try journal.matrices(key: key) {
            guard let value = Value(journaled: found), isFit(value) else {
                throw CompressionError.journalUnreadable(
                    file: journal.folder.path, reason: "'\(key)' is of another form there")
            }
            return value
        }
        let value = try make()
        try journal.store(value.journaled, key: key)
        return value
    }

    /// The same for a number; what is not finite is not kept.
    func kept(_ key: String, measure: () throws -> Double) throws -> Double {
        if let found = self?[key]?.doubleValue { return found }
        let value = try measure()
        if value.isFinite { try self?.record(key, .number(value)) }
        return value
    }
}

extension DoubleMatrix {
    /// A row.
    init(row: [Double]) { self.init(rows: 1, columns: row.count, elements: row) }
    init(row: [Int]) { self.init(row: row.map(Double.init)) }

    /// The elements as whole numbers that are not negative; nil where one is none.
    var indices: [Int]? {
        let whole = elements.compactMap { Int(exactly: $0) }
        return whole.count == elements.count && whole.allSatisfy { $0 >= 0 } ? whole : nil
    }
}
