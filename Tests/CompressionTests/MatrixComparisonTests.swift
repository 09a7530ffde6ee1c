import Compression
import Fitting
import StructuredMatrices
import Tensors
import Testing

@Suite struct MatrixComparisonTests {
    private static func weight(_ rows: Int, _ columns: Int) -> Matrix {
        var generator = SeededGenerator(seed: 7)
        return Matrix.random(rows: rows, columns: columns, using: &generator)
    }

    @Test func everyRegisteredMethodIsThere() throws {
        let names = SizedMethod.all.map(\.name)
        #expect(Set(names).isSuperset(of: Fitters.methods.map(\.name)) && Set(names).count == names.count)
        let families = Set(SizedMethod.all.map(\.method.family.name) + SizedMethod.unfitted.map(\.name) + ["dense"])
        #expect(families == Set(Families.names))
        #expect(try SizedMethod.named(families: ["monarch"]).map(\.method.family.name).allSatisfy { $0 == "monarch" })
        #expect(try SizedMethod.named(families: ["low-rank"], fitters: ["quantize"]).contains { $0.name == "quantize" })
        #expect(throws: CompressionError.self) { try SizedMethod.named(fitters: ["psychic"]) }
    }

    /// Shapes that hardly anything divides, single rows, zeros: every method is a row, and no fit is over its size.
    @Test(arguments: [(7, 13), (1, 64), (64, 1), (32, 32)])
    func hostileShapesAreRows(rows: Int, columns: Int) throws {
        for weight in [Self.weight(rows, columns), Matrix(rows: rows, columns: columns)] {
            var comparison = MatrixComparison(sizes: [.share(0.5, of: .bytes)], batches: [2])
            comparison.secondsPerProduct = 1e-4
            let result = try comparison.run(ComparisonSubject(name: "w", weight: weight), context: .serial)
            #expect(result.rows.map(\.method) == SizedMethod.all.map(\.method))
            for row in result.rows {
                switch row.outcome {
                case .fitted(let fitted):
                    #expect(fitted.matrix.cost.storedBytes <= rows * columns, "\(row.method.name)")
                    #expect(fitted.errors.allSatisfy { $0.isFinite } && fitted.times.count == 1)
                case .refused(let reason): #expect(!reason.isEmpty && !reason.hasPrefix("w: "))
                }
            }
        }
    }

    @Test func objectivesNeedTheirStatistics() throws {
        let comparison = MatrixComparison(sizes: [.share(0.5, of: .bytes)], objective: .activations)
        let subject = try ComparisonSubject(name: "w", weight: Self.weight(8, 8))
        #expect(throws: CompressionError.self) { try comparison.run(subject, context: .serial) }
    }

    @Test func argumentsAreTakenApart() {
        #expect(FileArgument("model:layer.0") == FileArgument("model:layer.0"))
        #expect(FileArgument("model:layer.0").path == "model" && FileArgument("model:layer.0").name == "layer.0")
        #expect(FileArgument("C:x:y").path == "C:x" && FileArgument("plain").name == nil && FileArgument(":x").path == ":x")
        #expect(ComparisonSubject.isNumPy("a/b.npz:w") && ComparisonSubject.isNumPy("w.npy") && !ComparisonSubject.isNumPy("m:w.npy"))
    }

    @Test func frontsHoldWhatNothingBeats() {
        let points: [(x: Double, y: Double)] = [(3, 1), (1, 3), (2, 2), (2, 2.5), (3, 1), (4, 1), (0.5, .nan), (1, 4)]
        #expect(ParetoFront.indices(points) == [1, 2, 0, 4])
        #expect(ParetoFront.indices([]).isEmpty)
    }
}
